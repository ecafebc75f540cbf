"""One evaluation of the network in a painter: for the targets, for the style strength, or for the optimiser."""

import numpy as np

from core.config.transfer_config import TransferConfig
from core.multiscale.preparation import GRADIENT_RATIO_AT_HALF
from core.objective.weights import LossWeights
from export.graph.control_flow import branch, choose
from export.graph.values import Value, concatenated, maximum, where, zeros
from export.painter.adam import GraphAdam
from export.painter.inlined_objective import InlinedObjective, NetworkEvaluation
from export.painter.lbfgs import LARGEST, GraphLBFGS
from export.painter.margin import Margin
from export.painter.preparation import ScaleImages
from export.painter.schedule import GraphScale
from export.painter.state import Shape

CONTENT_TARGETS, STYLE_TARGETS, CONTENT_GRADIENT, STYLE_GRADIENT, OPTIMIZATION = range(5)
"""What an evaluation of the network is for: the values of the counter `phase`."""

State = dict[str, Value]


class Evaluator:
    """Advances the state of a scale by one evaluation of the network.

    Attributes:
        counters: Names of the counters in the state, besides those of the optimiser.
        numbers: Names of the numbers, likewise.
        targets: Names of the targets.
        optimizer: Moves the image.
    """

    counters = ("phase", "used", "failed")
    numbers = ("content_rms", "content_factor", "style_factor", "tv_factor")

    def __init__(self, objective: InlinedObjective, config: TransferConfig, activation_scale: float) -> None:
        lbfgs = config.optimizer == "lbfgs"
        self.optimizer = GraphLBFGS(config.history) if lbfgs else GraphAdam(config.learning_rate)
        self._objective, self._has_margin = objective, config.padding > 0
        weights = LossWeights.of(config, activation_scale)
        self._content_weights = Value.constant(list(weights.content.values()), np.float32)
        self._style_weights = [Value.constant(weight, np.float32) for weight in weights.style.values()]
        self._tv_weight = Value.constant([weights.tv], np.float32)
        self._content_names = tuple(f"content/{layer.name}" for layer in objective.content_layers)
        self._style_names = tuple(f"style/{layer.name}" for layer in objective.style_layers)
        self.targets = (*self._content_names, *self._style_names)

    def shapes(self, scale: GraphScale) -> dict[str, Shape]:
        """Return the shapes of all arrays of the state at a scale."""
        shapes = self.optimizer.shapes((1, 3, scale.height, scale.width))
        sides = [side + scale.padding * 2 for side in (scale.height, scale.width)]
        for name, layer in zip(self._content_names, self._objective.content_layers, strict=True):
            shapes[name] = (1, layer.out_channels, *(side / layer.stride for side in sides))
        for name, layer in zip(self._style_names, self._objective.style_layers, strict=True):
            shapes[name] = (1, layer.out_channels, self._objective.columns(layer.out_channels))
        return shapes

    def start(self, image: Value, used: Value, scale: GraphScale) -> State:
        """Return the state before the first evaluation of a scale, which starts from `image`."""
        counters = {name: Value.constant(0, np.int64) for name in self.counters}
        numbers = {name: Value.constant(0, np.float32) for name in self.numbers}
        shapes = self.shapes(scale)
        targets = {name: zeros(np.float32, *shapes[name]) for name in self.targets}
        return self.optimizer.start(image) | counters | numbers | targets | {"used": used}

    def evaluate(
        self, state: State, images: ScaleImages, scale: GraphScale, strength: Value | None
    ) -> tuple[State, Value]:
        """Evaluate the network once; return the next state and the loss."""
        phase, margin = state["phase"], Margin(scale.padding) if self._has_margin else None
        candidate = self.optimizer.candidate(state)
        image = choose(
            phase.equals(OPTIMIZATION),
            lambda: candidate,
            lambda: choose(
                phase.equals(CONTENT_TARGETS),
                lambda: images.content,
                lambda: choose(phase.equals(STYLE_TARGETS), lambda: images.style, lambda: images.comparison),
            ),
        )
        evaluation = self._objective(
            margin.add(image) if margin else image,
            self._content_targets(state, scale),
            [state[name] for name in self._style_names],
            self._weights(state),
        )

        def step() -> State:
            gradient = margin.add_backward(evaluation.gradient) if margin else evaluation.gradient
            updated = self.optimizer.update(state, candidate, evaluation.loss, gradient)
            failed = (updated["loss"] >= LARGEST).cast(np.int64)
            kept = {name: state[name] for name in state if name not in updated}
            return kept | updated | {"used": state["used"] + 1, "failed": failed}

        def prepare() -> State:
            return state | self._state_after_preparation(state, evaluation, scale, strength)

        return branch(phase.equals(OPTIMIZATION), step, prepare), evaluation.loss

    def _content_targets(self, state: State, scale: GraphScale) -> list[Value]:
        """Return the targets of the content; zeros of another size while the network reads the style image."""
        sides = [side + scale.padding * 2 for side in (scale.style_height, scale.style_width)]
        is_style = state["phase"].equals(STYLE_TARGETS)

        def style_sized_zeros() -> State:
            layers = zip(self._content_names, self._objective.content_layers, strict=True)
            return {
                name: zeros(np.float32, 1, layer.out_channels, *(side / layer.stride for side in sides))
                for name, layer in layers
            }

        targets = branch(is_style, style_sized_zeros, lambda: {name: state[name] for name in self._content_names})
        return [targets[name] for name in self._content_names]

    def _weights(self, state: State) -> tuple[Value, Value, Value]:
        """Return the weights of content, style and total variation for the phase of the state."""
        phase = state["phase"]
        is_step = phase.equals(OPTIMIZATION)
        content = where(is_step, state["content_factor"], phase.equals(CONTENT_GRADIENT).cast(np.float32))
        is_style = phase.equals(STYLE_GRADIENT).cast(np.float32)
        style, tv = (where(is_step, state[name], is_style) for name in ("style_factor", "tv_factor"))
        style_weights = [
            self._objective.part_weights(state[name], weight * style).with_batch()
            for name, weight in zip(self._style_names, self._style_weights, strict=True)
        ]
        return self._content_weights * content, concatenated(style_weights), self._tv_weight * tv

    def _state_after_preparation(
        self, state: State, evaluation: NetworkEvaluation, scale: GraphScale, strength: Value | None
    ) -> State:
        """Return what an evaluation before those of the optimiser changes: targets, or factors of the weights."""
        phase = state["phase"]
        changed = {"phase": phase + 1}
        if strength is None:  # there is nothing to compare the gradients for
            changed["phase"] = where(phase.equals(STYLE_TARGETS), phase * 0 + OPTIMIZATION, phase + 1)
        content = dict(zip(self._content_names, evaluation.features, strict=True))
        kept = {name: state[name] for name in content}
        changed |= branch(phase.equals(CONTENT_TARGETS), lambda: content, lambda: kept)
        for name, statistic in zip(self._style_names, evaluation.statistics, strict=True):
            changed[name] = where(phase.equals(STYLE_TARGETS), statistic, state[name])
        return changed | self._factors(state, evaluation.gradient, scale, strength)

    def _factors(self, state: State, gradient: Value, scale: GraphScale, strength: Value | None) -> State:
        """Return the factors of the weights: `core.multiscale.preparation.normalize_strength`."""
        one = Value.constant(1, np.float32)
        if strength is None:
            return {
                "content_factor": scale.content_weight_scale,
                "style_factor": one,
                "tv_factor": scale.tv_weight_scale,
            }
        rms = (gradient * gradient).mean().sqrt()
        content_rms = where(state["phase"].equals(CONTENT_GRADIENT), rms, state["content_rms"])
        both = (content_rms > 0) & (rms > 0)
        balance = where(both, (GRADIENT_RATIO_AT_HALF * content_rms / where(both, rms, one)).sqrt(), one)
        content_factor, style_factor = 4 * (1 - strength) * (1 - strength), 4 * strength * strength
        tv_factor = where(strength > 0, maximum(content_factor, style_factor), strength)
        return {
            "content_rms": content_rms,
            "content_factor": content_factor * scale.content_weight_scale,
            "style_factor": style_factor * balance,
            "tv_factor": tv_factor * balance * scale.tv_weight_scale,
        }
