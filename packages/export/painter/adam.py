"""Adam in an ONNX graph: `core.optim.adam`, one evaluation at a time."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from core.optim.adam import EPSILON, M_DECAY, M_GROWTH, V_DECAY, V_GROWTH
from export.graph.values import Value, maximum, where, zeros
from export.painter.lbfgs import LARGEST
from export.painter.state import Shape

State = Mapping[str, Value]


@dataclass(frozen=True)
class GraphAdam:
    """The optimiser; `image` is the best image so far, and `latest` the last one with a finite loss.

    After an evaluation that is not finite, the next one is made at the best image, and steps are half as long.

    Attributes:
        learning_rate: Step size.
    """

    learning_rate: float

    numbers = ("loss", "learning_rate", "m_weight", "v_weight")
    counters = ("converged",)
    arrays = ("image", "latest", "m", "v")

    def shapes(self, image: Shape) -> dict[str, Shape]:
        """Return the shapes of the arrays of the state, given that of the image."""
        return dict.fromkeys(self.arrays, image)

    def start(self, image: Value) -> dict[str, Value]:
        """Return the state before the evaluation of the initial image."""
        zero = zeros(np.float32, 1, 3, image.side(2), image.side(3))
        numbers = {"loss": LARGEST, "learning_rate": self.learning_rate, "m_weight": 0, "v_weight": 0}
        state = {name: Value.constant(number, np.float32) for name, number in numbers.items()}
        return state | {"converged": Value.constant(0, np.int64), "image": image, "latest": image, "m": zero, "v": zero}

    def candidate(self, state: State) -> Value:
        """Return the image to evaluate next (Kingma and Ba, algorithm 1); without momentum, the latest one."""
        weights = [maximum(state[name], Value.constant(1e-30, np.float32)) for name in ("m_weight", "v_weight")]
        m, v = (state[name] / weight for name, weight in zip(("m", "v"), weights, strict=True))
        return (state["latest"] - state["learning_rate"] * m / (v.sqrt() + EPSILON)).clip(0, 1)

    def update(self, state: State, candidate: Value, loss: Value, gradient: Value) -> dict[str, Value]:
        """Return the state after the evaluation of the candidate."""
        is_finite = abs(loss) + (gradient * gradient).sum() < LARGEST  # false for NaN
        is_better = is_finite & (loss <= state["loss"])
        image = where(is_better, candidate, state["image"])
        gradient = where(is_finite, gradient, Value.constant(0, np.float32))
        averages = {
            "m": M_DECAY * state["m"] + M_GROWTH * gradient,
            "v": V_DECAY * state["v"] + V_GROWTH * gradient * gradient,
            "m_weight": M_DECAY * state["m_weight"] + M_GROWTH,
            "v_weight": V_DECAY * state["v_weight"] + V_GROWTH,
        }
        rate = state["learning_rate"]
        return {
            "image": image,
            "latest": where(is_finite, candidate, image),
            "loss": where(is_better, loss, state["loss"]),
            "learning_rate": where(is_finite, rate, rate / 2),
            "converged": state["converged"],
            **{name: where(is_finite, value, state[name] * 0) for name, value in averages.items()},
        }
