"""The whole optimisation as one ONNX graph.

The body of a Loop evaluates the network once. What an evaluation is for depends on the phase of the scale: the first
ones compute the targets and the strength of the style, and all others are those of the optimiser. So the graph contains
the network once, and a host may divide the evaluations among as many calls as it likes.
"""

from collections.abc import Mapping

import numpy as np
import onnx

from core.artifacts.painter import ImageFormat, Status
from core.config.transfer_config import TransferConfig
from export.graph.control_flow import branch, choose, loop
from export.graph.model import build_model
from export.graph.values import Value, concatenated, where, zeros
from export.painter.evaluation import CONTENT_TARGETS, OPTIMIZATION, Evaluator, State
from export.painter.inlined_objective import InlinedObjective
from export.painter.inputs import PainterInputs, checksum, painter_outputs, sides_of, status_value
from export.painter.preparation import ScaleImages
from export.painter.resizing import resize
from export.painter.schedule import GraphScale, GraphSchedule
from export.painter.state import StateLayout

STATE_FORMAT = 1
"""Version of the layout of the state."""

HEADER = (
    *("format", "image_size", "evaluations", "strength"),
    *("height", "width", "content_sum", "style_height", "style_width", "style_sum"),
)
"""What identifies a run."""


class PainterGraph:
    """Builds the graph for one network and one configuration."""

    def __init__(
        self,
        objective: InlinedObjective,
        config: TransferConfig,
        activation_scale: float,
        pixels: ImageFormat = "uint8",
    ) -> None:
        self._config, self._pixels = config, pixels
        self._evaluator = Evaluator(objective, config, activation_scale)
        optimizer = self._evaluator.optimizer
        self._layout = StateLayout(
            HEADER,
            ("scale", *self._evaluator.counters, *optimizer.counters),
            (*self._evaluator.numbers, *optimizer.numbers),
            (*optimizer.arrays, *self._evaluator.targets),
        )

    def build(self) -> onnx.ModelProto:
        """Return the model, without metadata."""
        inputs = PainterInputs.of(self._config, self._pixels)
        schedule = inputs.schedule(self._config)
        status = inputs.status(schedule)
        status = where(status.equals(Status.RUNNING), self._status_of_state(inputs, schedule), status)
        outputs = branch(
            status.equals(Status.RUNNING), lambda: self._run(inputs, schedule), lambda: self._refused(status)
        )
        return build_model(inputs.tensors, outputs)

    def _status_of_state(self, inputs: PainterInputs, schedule: GraphSchedule) -> Value:
        """Return `Status.RUNNING` if the state is empty or of a run with these inputs, else `Status.BAD_STATE`."""
        state, header = inputs.state, self._header(inputs)
        padded = _padded_state(state, len(self._layout.scalars))
        same = Value.constant(True, bool)
        for name, value in header.items():
            same &= self._layout.scalar(padded, name).equals(value)
        counters = [self._layout.scalar(padded, name) for name in self._layout.counters]
        index = self._layout.scalar(padded, "scale").clip(0, schedule.count - 1)
        same &= state.size.equals(self._layout.size(self._evaluator.shapes(schedule.scale(index))))
        same &= self._layout.scalar(padded, "scale").equals(index)
        phase = self._layout.scalar(padded, "phase")
        same &= (phase >= CONTENT_TARGETS) & (phase <= OPTIMIZATION)
        for counter in counters:
            same &= counter >= 0
        if "next" in self._layout.counters:
            same &= self._layout.scalar(padded, "next") <= self._config.history
        same &= state.is_finite().all()
        accepted = state.size.equals(0) | same
        return where(accepted, status_value(Status.RUNNING), status_value(Status.BAD_STATE))

    def _header(self, inputs: PainterInputs) -> State:
        """Return the numbers that identify a run."""
        numbers = [Value.constant(STATE_FORMAT, np.int64), inputs.image_size, inputs.evaluations]
        strength = Value.constant(0, np.float32) if inputs.strength is None else inputs.strength
        pictures = [value for image in (inputs.content, inputs.style) for value in (*sides_of(image), checksum(image))]
        values = [*numbers, strength, *pictures]
        return {name: value.cast(np.float32) for name, value in zip(HEADER, values, strict=True)}

    def _run(self, inputs: PainterInputs, schedule: GraphSchedule) -> State:
        """Make the evaluations of one call, all at one scale."""
        is_new = inputs.state.size.equals(0)
        stored = _padded_state(inputs.state, len(self._layout.scalars))
        index = self._layout.scalar(stored, "scale")
        stored_scale = schedule.scale(index)
        is_over = self._is_over(
            {name: self._layout.scalar(stored, name) for name in ("used", "converged", "failed")}, stored_scale
        )
        is_finer = ~is_new & is_over & (index < schedule.count - 1)
        index = where(is_finer, index + 1, index)
        scale = schedule.scale(index)
        begins = is_new | is_finer

        images = ScaleImages.of(inputs.content, inputs.style, scale)
        initial = images.initial(inputs.strength, self._config)

        def next_scale() -> State:
            def finer() -> Value:
                coarse = self._layout.array(inputs.state, "image", self._evaluator.shapes(stored_scale))
                return images.finer_initial(coarse, initial, self._config)

            image = choose(is_new, lambda: initial, finer)
            used = where(is_new, index * 0, self._layout.scalar(stored, "used"))
            return self._evaluator.start(image, used, scale) | {"scale": index}

        state = branch(begins, next_scale, lambda: self._layout.unpack(inputs.state, self._evaluator.shapes(scale)))

        def evaluate(_: Value, state: State) -> tuple[Value, State, list[Value]]:
            is_preparing = state["phase"] < OPTIMIZATION
            updated, loss = self._evaluator.evaluate(state, images, scale, inputs.strength)
            return ~self._is_over(updated, scale), updated, [loss, is_preparing]

        state, (losses, is_preparing) = loop(inputs.max_network_passes, state, evaluate, ~self._is_over(state, scale))
        preparing = is_preparing.count()  # evaluations that come before those of the optimiser
        failed = state["failed"] > 0
        is_last = index.equals(schedule.count - 1)
        status = where(
            is_last & self._is_over(state, scale), status_value(Status.FINISHED), status_value(Status.RUNNING)
        )
        status = where(failed, status_value(Status.NOT_FINITE), status)
        image = resize(state["image"], schedule.heights.take(0), schedule.widths.take(0))
        delivered = {
            "image": inputs.as_output(image),
            "next_state": self._layout.pack(state | self._header(inputs)),
            "losses": losses.reshape(-1).slice(preparing, losses.size),
            "evaluations_made": state["used"],
            "status": status,
        }
        return branch(failed, lambda: self._refused(status), lambda: delivered)

    def _is_over(self, state: Mapping[str, Value], scale: GraphScale) -> Value:
        """Return whether a scale has used its evaluations, has converged, or has failed."""
        return (state["used"] >= scale.last_evaluation) | (state["converged"] > 0) | (state["failed"] > 0)

    def _refused(self, status: Value) -> State:
        """Return empty outputs with a status."""
        specs = {spec.name: spec for spec in painter_outputs(self._pixels)}
        empty = {
            name: zeros(np.dtype(spec.dtype), *(side if isinstance(side, int) else 0 for side in spec.shape))
            for name, spec in specs.items()
        }
        return empty | {"status": status}


def _padded_state(state: Value, scalars: int) -> Value:
    """Return the first values of a state, zeros if it is shorter."""
    return concatenated([state, zeros(np.float32, scalars)]).slice(0, scalars)
