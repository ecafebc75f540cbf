"""The objective as one ONNX graph: loss and gradient with respect to the image, in standard operators only."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import onnx
import torch
from torch.export import Dim

from core.artifacts.manifest import Manifest
from core.backends.onnx_backend import CONTENT, GRAM
from core.network.architecture import MIN_SIDE, Layer
from core.network.vgg import Pooling
from core.network.weights import Weights
from export.formats.onnx_graph import OPSET, trace, write_model
from export.formats.palette import compress
from export.objective.module import ObjectiveModule
from export.verify.extractor import check_onnx
from export.verify.objective import verify_objective
from export.verify.parity import Report
from export.verify.publish import publish, versions

__all__ = ["export_objective", "verify_objective"]

OUTPUTS = {
    "loss": "float32 (), the sum of the parts",
    "gradient": "float32 (1, 3, height, width), of the loss with respect to the image",
    "content": "float32 (), weighted",
    "style": "float32 (), weighted",
    "tv": "float32 (), weighted",
}


def export_objective(
    path: Path,
    weights: Weights,
    content_taps: Sequence[str],
    style_taps: Sequence[str],
    *,
    pooling: Pooling = "max",
    checksum: bool = True,
) -> Manifest:
    """Write the objective for these layers to `path`, once what was written has proven equal to PyTorch's.

    The style is compared by Gram matrices. Returns the manifest inside it, which holds the whole contract.

    Raises:
        UsageError: There is no such layer or pooling, or the weights end too early.
        StyleTransferError: The graph differs too much or cannot be written; nothing has changed at `path`.
    """
    module = ObjectiveModule(weights, content_taps, style_taps, pooling)
    model, manifest = trace_objective(module), _describe(module, weights, pooling)

    def verify(written: Path) -> Report:
        check_onnx(written)
        return verify_objective(written, manifest, weights)

    return publish(path, manifest, partial(write_model, model), verify, checksum=checksum)


def trace_objective(module: ObjectiveModule) -> onnx.ModelProto:
    """Return `module` as an ONNX model for any height and width."""
    layers = {layer.name: layer for layer in module.plan}
    # Large enough that no side is 1 anywhere, which a tracer would take to be fixed.
    height, width = 96, 160
    content = [_zeros(layers[tap], height, width) for tap in module.content_taps]
    grams = [torch.zeros(1, layers[tap].out_channels, layers[tap].out_channels) for tap in module.style_taps]
    numbers = [torch.zeros(len(module.content_taps)), torch.zeros(len(module.style_taps)), torch.zeros(1)]
    sides = {2: Dim("height", min=_least_size(module)), 3: Dim("width", min=_least_size(module))}
    follows = {2: Dim.AUTO, 3: Dim.AUTO}
    model = trace(
        module,
        (torch.zeros(1, 3, height, width), content, grams, *numbers),
        inputs=list(_inputs(module)),
        outputs=list(OUTPUTS),
        dynamic_shapes={
            "image": sides,
            "content": [follows for _ in content],
            "grams": [{} for _ in grams],
            "content_weights": {},
            "style_weights": {},
            "tv_weight": {},
        },
    )
    _name_sides(model, module)
    compress(model)
    return model


def _least_size(module: ObjectiveModule) -> int:
    """The deepest layer must keep at least one position."""
    return max(MIN_SIDE, module.plan[-1].stride)


def _zeros(layer: Layer, height: int, width: int) -> torch.Tensor:
    return torch.zeros(1, layer.out_channels, height // layer.stride, width // layer.stride)


def _inputs(module: ObjectiveModule) -> dict[str, str]:
    """The inputs by their names, in order, in words."""
    layers = {layer.name: layer for layer in module.plan}
    shapes = {tap: f"(1, {layers[tap].out_channels}, {', '.join(_sides(layers[tap]))})" for tap in module.content_taps}
    sizes = {tap: layers[tap].out_channels for tap in module.style_taps}
    least = _least_size(module)
    return {
        "image": f"float32 (1, 3, height, width), RGB in [0, 1], height and width at least {least}",
        **{CONTENT.format(tap): f"float32 {shape}, the content's features" for tap, shape in shapes.items()},
        **{
            GRAM.format(tap): f"float32 (1, {size}, {size}), features @ features.T / positions of the style"
            for tap, size in sizes.items()
        },
        "content_weights": f"float32 ({len(shapes)},), of content_taps, already divided by activation_scale ** 2",
        "style_weights": f"float32 ({len(sizes)},), of style_taps, already divided by activation_scale ** 4",
        "tv_weight": "float32 (1,)",
    }


def _sides(layer: Layer) -> tuple[str, str]:
    """Height and width of the features of a layer, as a contract calls them."""
    if layer.stride == 1:
        return "height", "width"
    return f"height // {layer.stride}", f"width // {layer.stride}"


def _name_sides(model: onnx.ModelProto, module: ObjectiveModule) -> None:
    """Call the sides of the content's targets by what they follow, not by the tracer's numbers."""
    layers = {CONTENT.format(layer.name): layer for layer in module.plan}
    for value in model.graph.input:
        if value.name in layers:
            dimensions = value.type.tensor_type.shape.dim[2:]
            for dimension, name in zip(dimensions, _sides(layers[value.name]), strict=True):
                dimension.dim_param = name


def _describe(module: ObjectiveModule, weights: Weights, pooling: Pooling) -> Manifest:
    taps = {*module.content_taps, *module.style_taps}
    return Manifest(
        kind="objective",
        format="onnx",
        arch=weights.arch,
        taps=tuple(layer.name for layer in module.plan if layer.name in taps),
        content_taps=module.content_taps,
        style_taps=module.style_taps,
        pooling=pooling,
        precision="fp32",
        weights={"source": weights.source, "sha256": weights.sha256},
        preprocessing=weights.preprocessing.name,
        activation_scale=weights.preprocessing.activation_scale,
        opset=OPSET,
        inputs=_inputs(module),
        outputs=OUTPUTS,
        versions=versions("torch", "onnx", "onnxscript", "onnxruntime"),
    )
