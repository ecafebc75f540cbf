"""Projected L-BFGS in an ONNX graph: `core.optim.lbfgs`, one evaluation at a time."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import spox.opset.ai.onnx.v18 as op

from core.optim.constants import LBFGS
from export.graph.control_flow import branch, loop
from export.graph.values import Value, arange, maximum, where, zeros
from export.painter.state import Shape

State = Mapping[str, Value]

LARGEST = float(np.finfo(np.float32).max)
"""The loss before the first evaluation. Losses at or above this count as non-finite."""

MIN_YTH0Y = max(LBFGS.min_yth0y, float(np.finfo(np.float32).tiny))
"""`LBFGS.min_yth0y` in float32."""


@dataclass(frozen=True)
class GraphLBFGS:
    """The optimiser: a line search as a state machine, with one transition for each evaluation.

    The pairs are the rows of S and Y, (history + 1, values). Row `next` is free: every evaluation writes its pair
    there. If the step is accepted and the curvature of the pair is positive, the pair becomes valid, and the row after
    it, which holds the oldest pair, free.

    Attributes:
        history: Number of curvature pairs.
    """

    history: int

    numbers = ("loss", "step_size")
    counters = ("backtracks", "next", "converged")
    arrays = ("image", "gradient", "direction", "valid", "S", "Y")

    def shapes(self, image: Shape) -> dict[str, Shape]:
        """Return the shapes of the arrays of the state, given that of the image."""
        rows, values = self.history + 1, image[2] * image[3] * image[1]
        return {
            "image": image,
            "gradient": image,
            "direction": image,
            "valid": (rows,),
            "S": (rows, values),
            "Y": (rows, values),
        }

    def start(self, image: Value) -> dict[str, Value]:
        """Return the state before the evaluation of the initial image."""
        shapes = self.shapes((1, 3, image.side(2), image.side(3)))
        state = {name: zeros(np.float32, *shape) for name, shape in shapes.items()}
        state |= {name: Value.constant(0, np.int64) for name in self.counters}
        loss, step_size = Value.constant(LARGEST, np.float32), Value.constant(0, np.float32)
        return state | {"image": image, "loss": loss, "step_size": step_size}

    def candidate(self, state: State) -> Value:
        """Return the image to evaluate next."""
        return (state["image"] + state["step_size"] * state["direction"]).clip(0, 1)

    def update(self, state: State, candidate: Value, loss: Value, gradient: Value) -> dict[str, Value]:
        """Return the state after the evaluation of the candidate."""
        s = candidate - state["image"]
        slope = (state["gradient"] * s).sum()
        is_finite = abs(loss) + (gradient * gradient).sum() < LARGEST  # false for NaN
        bound = state["loss"] + LBFGS.sufficient_decrease * slope
        accepted = is_finite & (loss < state["loss"]) & (loss <= bound)
        pairs = self._with_pair(
            state, s, where(is_finite, gradient - state["gradient"], Value.constant(0, np.float32)), accepted
        )

        backtracks = state["backtracks"] + 1
        exhausted = ~accepted & (backtracks >= LBFGS.max_backtracks)
        has_pairs = state["valid"].max() > 0
        pairs["valid"] = where(exhausted, pairs["valid"] * 0, pairs["valid"])
        new_direction = accepted | (exhausted & has_pairs)
        image = where(accepted, candidate, state["image"])
        gradient = where(accepted, gradient, state["gradient"])

        def compute_direction() -> dict[str, Value]:
            return self._direction(image, gradient, pairs)

        def backtrack() -> dict[str, Value]:
            factor = _quadratic_interpolation_factor(state["loss"], loss, slope)
            return {"direction": state["direction"], "step_size": state["step_size"] * factor}

        return {
            "image": image,
            "gradient": gradient,
            "loss": where(accepted, loss, state["loss"]),
            "backtracks": where(new_direction, backtracks * 0, backtracks),
            "converged": (exhausted & ~has_pairs).cast(np.int64),
            **pairs,
            **branch(new_direction, compute_direction, backtrack),
        }

    def _with_pair(self, state: State, s: Value, y: Value, accepted: Value) -> dict[str, Value]:
        """Write a pair to the free row; it becomes valid if the step is accepted and its curvature is positive."""
        row = state["next"].reshape(1, 1)
        S, Y = (
            Value(op.scatter_nd(state[name].var, row.var, pair.reshape(1, -1).var))
            for name, pair in (("S", s), ("Y", y))
        )
        is_stored = accepted & ((s * y).sum() > LBFGS.min_curvature * (y * y).sum())
        next_row = (state["next"] + 1) % (self.history + 1)
        rows = arange(Value.constant(self.history + 1, np.int64))
        added, freed = (rows.equals(index).cast(np.float32) for index in (state["next"], next_row))
        valid = where(is_stored, (state["valid"] + added) * (1 - freed), state["valid"])
        return {"S": S, "Y": Y, "valid": valid, "next": where(is_stored, next_row, state["next"])}

    def _direction(self, image: Value, gradient: Value, pairs: State) -> dict[str, Value]:
        """Return the direction within the free set (see `core.optim.curvature`), and the first step size along it."""
        S, Y = pairs["S"], pairs["Y"]
        is_free = ((image > 0) | (gradient < 0)) & ((image < 1) | (gradient > 0))
        free = is_free.cast(np.float32).reshape(1, -1)
        g = gradient.reshape(1, -1) * free
        Y_free = Y * free
        StY = S @ Y_free.transposed()
        sums = Y_free.reshape(self.history + 1, 3, -1).sum(1)
        YtH0Y = Y_free @ Y_free.transposed() - LBFGS.luminance_damping * (sums @ sums.transposed())
        Stg, YtH0g = (S @ g.transposed()).reshape(-1), (Y_free @ _apply_h0(g).transposed()).reshape(-1)
        sigma, alpha, gamma = self._two_loop_recursion(StY, YtH0Y, Stg, YtH0g, pairs)
        q = (g - alpha.reshape(1, -1) @ Y) * free
        product = (gamma * _apply_h0(q) + sigma.reshape(1, -1) @ S) * free
        has_pairs = pairs["valid"].max() > 0
        direction = -where(has_pairs, product, g).like(image)
        rms = (direction * direction).mean().sqrt()
        first = LBFGS.initial_step_rms / maximum(rms, Value.constant(LBFGS.min_rms, np.float32))
        return {"direction": direction, "step_size": where(has_pairs, first * 0 + 1, first)}

    def _two_loop_recursion(
        self, StY: Value, YtH0Y: Value, Stg: Value, YtH0g: Value, pairs: State
    ) -> tuple[Value, Value, Value]:
        """Return sigma, alpha (rows,) and gamma: Nocedal and Wright, algorithm 7.4, on inner products."""
        rows = self.history + 1
        slots = arange(Value.constant(rows, np.int64))
        curvature = (StY * Value.constant(np.eye(rows), np.float32)).sum(1)
        usable = (pairs["valid"] > 0) & (curvature > 0)
        rho = where(usable, 1 / where(usable, curvature, curvature * 0 + 1), curvature * 0)
        newest = (pairs["next"] + self.history) % rows
        gamma = abs(curvature.take(newest)) / maximum(
            YtH0Y.take(newest).take(newest), Value.constant(MIN_YTH0Y, np.float32)
        )

        def with_element(vector: Value, slot: Value, value: Value) -> Value:
            return vector + slots.equals(slot).cast(np.float32) * value

        def backward(number: Value, state: dict[str, Value]) -> tuple[Value, dict[str, Value], list[Value]]:
            slot = (pairs["next"] + self.history - number) % rows
            value = rho.take(slot) * (Stg.take(slot) - (StY.take(slot) * state["alpha"]).sum())
            return Value.constant(True, bool), {"alpha": with_element(state["alpha"], slot, value)}, []

        count = Value.constant(self.history, np.int64)
        alpha = loop(count, {"alpha": curvature * 0}, backward)[0]["alpha"]

        def forward(number: Value, state: dict[str, Value]) -> tuple[Value, dict[str, Value], list[Value]]:
            slot = (pairs["next"] + 1 + number) % rows
            inner = gamma * (YtH0g.take(slot) - (YtH0Y.take(slot) * alpha).sum())
            beta = rho.take(slot) * (inner + (state["sigma"] * StY.take(slot, axis=1)).sum())
            value = alpha.take(slot) - beta
            return Value.constant(True, bool), {"sigma": with_element(state["sigma"], slot, value)}, []

        return loop(count, {"sigma": curvature * 0}, forward)[0]["sigma"], alpha, gamma


def _apply_h0(flat: Value) -> Value:
    """Return the initial inverse Hessian times a flattened image (1, values)."""
    channels = flat.reshape(3, -1)
    return (channels - LBFGS.luminance_damping * channels.sum(0, keepdims=True)).like(flat)


def _quadratic_interpolation_factor(loss: Value, new_loss: Value, slope: Value) -> Value:
    """Return the factor on the size of a rejected step (`core.optim.lbfgs.quadratic_interpolation_factor`)."""
    curvature = new_loss - loss - slope
    usable = (curvature > 0) & (curvature < LARGEST)  # false for NaN
    least = Value.constant(LBFGS.min_shrinkage, np.float32)
    factor = -slope / (2 * where(usable, curvature, Value.constant(1, np.float32)))
    return where(usable, factor.clip(LBFGS.min_shrinkage, LBFGS.max_shrinkage), least)
