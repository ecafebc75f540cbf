"""The objective as a part of a larger ONNX graph, which also returns the statistics of the image that it evaluates."""

from collections.abc import Sequence
from dataclasses import dataclass

import onnx
import spox
from torch import Tensor

from core.network.architecture import Layer
from core.objective.gram import gram
from export.formats.onnx_graph import trace
from export.formats.palette import is_palettized, palettize
from export.io_spec import TensorSpec, objective_inputs
from export.objective.module import ObjectiveModule
from export.painter.values import Value


class EvaluationModule(ObjectiveModule):
    """The objective that also returns the features and Gram matrices from which its targets are made."""

    def forward(
        self,
        image: Tensor,
        content: Sequence[Tensor],
        style: Sequence[Tensor],
        content_weights: Tensor,
        style_weights: Tensor,
        tv_weight: Tensor,
        masks: Sequence[Tensor] = (),
    ) -> tuple[Tensor, ...]:
        """Return loss, gradient (1, 3, H, W), the features of the content taps, the Gram matrices of the style taps.

        The arguments are those of `ObjectiveModule`.
        """
        evaluated = self.evaluate(image, content, style, content_weights, style_weights, tv_weight, masks)
        features = [evaluated.features[tap] for tap in self.content_taps]
        # The loss contains the same nodes: a runtime that merges equal nodes computes them once.
        grams = [gram(evaluated.features[tap]) for tap in self.style_taps]
        return evaluated.loss, evaluated.gradient, *features, *grams


@dataclass(frozen=True)
class NetworkEvaluation:
    """The outputs of one evaluation: loss (), gradient (1, 3, H, W), features by content tap, grams by style tap."""

    loss: Value
    gradient: Value
    features: list[Value]
    grams: list[Value]


class GraphObjective:
    """The objective as a function of values of a graph.

    Attributes:
        module: The module.
        content_layers: The layers of the content loss.
        style_layers: The layers of the style loss.
        palette: Whether weights are stored as indices into a palette.
    """

    def __init__(self, module: EvaluationModule, *, palette: bool | None = None) -> None:
        """Trace the module.

        `palette`: Whether to store weights as indices into a palette; None to do so where the weights allow it.
        """
        self.module = module
        self.content_layers = tuple(_layer(module, tap) for tap in module.content_taps)
        self.style_layers = tuple(_layer(module, tap) for tap in module.style_taps)
        self._model = _traced(module, palette)
        self.palette = is_palettized(self._model)

    def __call__(
        self, image: Value, content: Sequence[Value], grams: Sequence[Value], weights: tuple[Value, Value, Value]
    ) -> NetworkEvaluation:
        """Evaluate at `image` (1, 3, H, W), given the targets, and the weights of content, style and TV as vectors."""
        arguments = [value.var for value in (image, *content, *grams, *weights)]
        found = [Value(variable) for variable in spox.inline(self._model)(*arguments).values()]
        loss, gradient, *statistics = found
        count = len(self.content_layers)
        return NetworkEvaluation(loss, gradient, statistics[:count], statistics[count:])


def _traced(module: EvaluationModule, palette: bool | None) -> onnx.ModelProto:
    inputs = objective_inputs(module.network_layers, module.content_taps, module.style_taps)
    names = ["loss", "gradient", *(f"features/{tap}" for tap in module.content_taps)]
    names += [f"own_gram/{tap}" for tap in module.style_taps]
    model = trace(module, inputs, [TensorSpec(name, ()) for name in names])
    if palette is not False:
        palettize(model, required=bool(palette))
    # The images and the targets have other sizes from one evaluation to the next.
    del model.graph.value_info[:]
    for value in (*model.graph.input, *model.graph.output):
        for dimension in value.type.tensor_type.shape.dim:
            if not dimension.dim_value:
                dimension.Clear()
    return model


def _layer(module: ObjectiveModule, tap: str) -> Layer:
    return next(layer for layer in module.network_layers if layer.name == tap)
