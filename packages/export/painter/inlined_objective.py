"""The objective as a part of a larger ONNX graph, which also returns the statistics of the image that it evaluates."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import onnx
import spox

from core.config.exported_losses import check_exported, exported_target
from core.network.architecture import Layer
from export.formats.palette import is_palettized, palettize
from export.graph.model import InputValues, build_model
from export.graph.values import Value
from export.objective.graph import ObjectiveGraph
from export.objective.style_terms import STYLE_LOSS_GRAPHS


@dataclass(frozen=True)
class NetworkEvaluation:
    """One evaluation: loss (), gradient (1, 3, H, W), and in the order of the taps features and style statistics."""

    loss: Value
    gradient: Value
    features: list[Value]
    statistics: list[Value]


class InlinedObjective:
    """The objective as a function of values of a graph.

    Attributes:
        objective: What it evaluates.
        content_layers: The layers of the content loss.
        style_layers: The layers of the style loss.
        columns: Returns the number of columns of a style target (1, C, columns) for C channels.
        part_weights: Returns the weight that a style term takes, given the target and the weight () of the layer.
        palette: Whether weights are stored as indices into a palette.
    """

    def __init__(self, objective: ObjectiveGraph, *, palette: bool | None = None) -> None:
        """Build a model of the objective, which is a part of every graph that evaluates it.

        `palette`: Whether to store weights as indices into a palette; None to do so where the weights allow it.

        Raises:
            UsageError: A painter cannot have the style loss.
        """
        self.objective = objective
        self.content_layers = tuple(_layer(objective, tap) for tap in objective.content_taps)
        self.style_layers = tuple(_layer(objective, tap) for tap in objective.style_taps)
        check_exported("painter", objective.style_loss)
        columns, style = exported_target(objective.style_loss).columns, STYLE_LOSS_GRAPHS[objective.style_loss]
        assert columns and style.statistic, "a style loss without position targets has both"
        self.columns, self.part_weights = columns, style.weights
        self._model = _model(objective, style.statistic, palette)
        self.palette = is_palettized(self._model)

    def __call__(
        self, image: Value, content: Sequence[Value], style: Sequence[Value], weights: tuple[Value, Value, Value]
    ) -> NetworkEvaluation:
        """Evaluate at `image` (1, 3, H, W), given the targets, and the weights of content, style and TV.

        The arguments are those of `ObjectiveGraph.evaluate`.
        """
        arguments = [value.var for value in (image, *content, *style, *weights)]
        found = [Value(variable) for variable in spox.inline(self._model)(*arguments).values()]
        loss, gradient, *statistics = found
        count = len(self.content_layers)
        return NetworkEvaluation(loss, gradient, statistics[:count], statistics[count:])


def _model(objective: ObjectiveGraph, statistic: Callable[[Value], Value], palette: bool | None) -> onnx.ModelProto:
    """Return a model of the loss, its gradient, and the features and statistics from which targets are made."""
    inputs = InputValues(objective.inputs)
    found = objective.evaluate(**inputs.arguments)
    outputs = {"loss": found.loss, "gradient": found.gradient}
    outputs |= {f"features/{tap}": found.features[tap] for tap in objective.content_taps}
    # The loss contains the same nodes: a runtime that merges equal nodes computes them once.
    outputs |= {f"own_statistic/{tap}": statistic(found.features[tap]) for tap in objective.style_taps}
    model = build_model(inputs.by_name, outputs, objective.network.initializers)
    if palette is not False:
        palettize(model, required=bool(palette))
    return model


def _layer(objective: ObjectiveGraph, tap: str) -> Layer:
    return next(layer for layer in objective.network.layers if layer.name == tap)
