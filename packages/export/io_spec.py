"""Inputs and outputs of exported modules.

One `TensorSpec` per input or output gives its description in the manifest, its axis names in the ONNX graph, and its
dynamic shape and an example for the tracers of extractors. `TOLERANCES` holds the allowed differences from float64.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor
from torch.export import Dim

from core.artifacts.manifest import Kind, Manifest, Precision
from core.artifacts.runtimes import ONNX_RUNTIME, Execution
from core.backends.onnx_backend import CONTENT, MASK, STYLE
from core.config.exported_losses import exported_target
from core.config.style_losses import DEFAULT_STYLE_LOSS, style_loss_spec
from core.errors import UsageError
from core.network.architecture import MIN_SIDE, Layer, layers

TOLERANCES: Mapping[tuple[Kind, Precision | Literal["aoti"]], Mapping[str, float]] = {
    ("extractor", "fp32"): {"features": 1e-6, "gradient": 1e-3},
    ("extractor", "fp16"): {"features": 2e-3, "gradient": 5e-2},
    ("extractor", "int8"): {"features": 1e-1},
    ("extractor", "aoti"): {"features": 5e-6},
    ("objective", "fp32"): {"loss": 1e-6, "gradient": 1e-6},
    ("painter", "fp32"): {"loss": 1e-2, "image": 1e-2},
}
"""Allowed relative L2 errors against eager float64; twice the error of eager float32 is allowed where that is larger.

Native code of AOTInductor, in float32, sums in another order than PyTorch: its errors are about 1e-6.

The tolerance of the gradient of an extractor is larger: where rounding changes the sign of a ReLU input or the argmax
of a max-pooling window, a whole path of the gradient changes, in eager float32 too. An objective is verified at images
where that does not happen. A painter is verified by whole runs of a few evaluations, in which rounding errors grow.
"""

RUNTIME_TOLERANCES: Mapping[Execution, Mapping[str, float]] = {
    Execution("openvino", "fp32"): {"features": 1e-5, "loss": 1e-5, "gradient": 1e-5},
    Execution("openvino", "bf16"): {"features": 2e-2, "loss": 5e-2, "gradient": 0.15},
}
"""Tolerances of runtimes that round more coarsely than ONNX Runtime; bfloat16 has 8 bits of mantissa."""


IMAGE = "image"
"""Name of the input for the image."""


def tolerances_of(manifest: Manifest, execution: Execution = ONNX_RUNTIME) -> Mapping[str, float]:
    """Return the allowed relative L2 errors of an artifact by quantity, in a runtime."""
    if manifest.format == "aoti":
        tolerances = TOLERANCES["extractor", "aoti"]
    else:
        tolerances = TOLERANCES[manifest.kind, manifest.precision]
    coarser = RUNTIME_TOLERANCES.get(execution, {})
    return {quantity: max(value, coarser.get(quantity, 0)) for quantity, value in tolerances.items()}


@dataclass(frozen=True)
class TensorSpec:
    """An input or output of an exported module.

    Attributes:
        name: Name in the ONNX graph and in the manifest.
        shape: Length or name of each axis: "batch", "regions", "height", "width", or a floor division such as
            "height // 8". The ONNX graph has the same names.
        meaning: Range and meaning, for the manifest.
        min_side: Smallest height and width.
        dtype: Name of the NumPy dtype of the elements.
    """

    name: str
    shape: tuple[int | str, ...]
    meaning: str = ""
    min_side: int = MIN_SIDE
    dtype: str = "float32"

    def describe(self) -> str:
        """Return dtype, shape, meaning and, for an image, the smallest sides as text."""
        shape = ", ".join(map(str, self.shape)) + ("," if len(self.shape) == 1 else "")
        sides = f"height and width at least {self.min_side}"
        is_any_image = self.name == IMAGE and "height" in self.shape
        return ", ".join(filter(None, (f"{self.dtype} ({shape})", self.meaning, sides if is_any_image else "")))

    def with_lengths(self, lengths: Mapping[str, int]) -> "TensorSpec":
        """Return the specification with fixed lengths of the axes "batch", "height" or "width".

        Raises:
            UsageError: A height or width is smaller than `min_side`.
        """
        for axis in ("height", "width"):
            if lengths.get(axis, self.min_side) < self.min_side:
                raise UsageError(f"the {axis} is {lengths[axis]} pixels: these layers need at least {self.min_side}")
        return replace(self, shape=tuple(_length(side, lengths) for side in self.shape))

    def example(self) -> Tensor:
        """Return zeros to trace an extractor with.

        Tracers specialise axes of length 1, so the example height is twice and the width three times `min_side`, and no
        axis of a feature map has length 1.
        """
        lengths = {"batch": 2, "height": 2 * self.min_side, "width": 3 * self.min_side}
        return torch.zeros([lengths[side] if isinstance(side, str) else side for side in self.shape])

    def dynamic_shape(self) -> dict[int, object]:
        """Return the axes that may vary, as torch.export expects them."""
        return {
            axis: Dim(side, min=1 if side == "batch" else self.min_side)
            for axis, side in enumerate(self.shape)
            if isinstance(side, str)
        }


Inputs = Mapping[str, TensorSpec | Sequence[TensorSpec]]
"""The arguments of what is exported, tensors or lists of tensors, by parameter name."""


def flatten(inputs: Inputs) -> list[TensorSpec]:
    """Return all tensors of the arguments, in order."""
    return [spec for value in inputs.values() for spec in ([value] if isinstance(value, TensorSpec) else value)]


def with_lengths(inputs: Inputs, lengths: Mapping[str, int]) -> Inputs:
    """Return the arguments with fixed lengths of axes (see `TensorSpec.with_lengths`)."""
    return {
        name: value.with_lengths(lengths)
        if isinstance(value, TensorSpec)
        else [spec.with_lengths(lengths) for spec in value]
        for name, value in inputs.items()
    }


def extractor_inputs() -> Inputs:
    """Return the argument of an extractor."""
    return {IMAGE: _image("batch", MIN_SIDE)}


def extractor_outputs(arch: str, taps: Sequence[str]) -> list[TensorSpec]:
    """Return the outputs of an extractor for canonical layer names."""
    table = {layer.name: layer for layer in layers(arch)}
    meaning = "features of the published network, not divided by activation_scale"
    return [TensorSpec(tap, _feature_shape("batch", table[tap]), meaning) for tap in taps]


def objective_inputs(
    network_layers: Sequence[Layer],
    content_taps: Sequence[str],
    style_taps: Sequence[str],
    style_loss: str = DEFAULT_STYLE_LOSS,
    *,
    regions: bool = False,
) -> Inputs:
    """Return the arguments of `export.objective.graph.ObjectiveGraph.evaluate`.

    Args:
        network_layers: The layers of the network up to the deepest tap, in order.
        content_taps: The layers of the content loss.
        style_taps: The layers of the style loss.
        style_loss: The style loss.
        regions: Whether styles apply to regions.
    """
    table = {layer.name: layer for layer in network_layers}
    min_side = max(MIN_SIDE, network_layers[-1].stride)  # gives the deepest layer at least one position
    content_weights = "one weight per layer of content_taps, divided by activation_scale ** 2"
    style_weights = _style_weights(style_loss, len(style_taps), ("regions",) if regions else ())
    count: int | str = "regions" if regions else 1
    inputs: dict[str, TensorSpec | Sequence[TensorSpec]] = {
        IMAGE: _image(1, min_side),
        "content": [
            TensorSpec(CONTENT.format(tap), _feature_shape(1, table[tap]), "features of the content image", min_side)
            for tap in content_taps
        ],
        "style": [_style_target(style_loss, table[tap], min_side, count) for tap in style_taps],
        "content_weights": TensorSpec("content_weights", (len(content_taps),), content_weights),
        "style_weights": style_weights,
        "tv_weight": TensorSpec("tv_weight", (1,), "weight of the total variation"),
    }
    if regions:
        meaning = "how much each position counts, with mean 1 in every region"
        inputs["masks"] = [
            TensorSpec(MASK.format(tap), ("regions", 1, *_feature_shape(1, table[tap])[2:]), meaning, min_side)
            for tap in style_taps
        ]
    return inputs


def objective_outputs() -> list[TensorSpec]:
    """Return the outputs of an objective, in order."""
    return [
        TensorSpec("loss", (), "the sum of the weighted losses"),
        TensorSpec("gradient", (1, 3, "height", "width"), "gradient of the loss with respect to the image"),
        TensorSpec("content", (), "the weighted content loss"),
        TensorSpec("style", (), "the weighted style loss"),
        TensorSpec("tv", (), "the weighted total variation"),
    ]


def _image(batch: int | str, min_side: int) -> TensorSpec:
    return TensorSpec(IMAGE, (batch, 3, "height", "width"), "RGB in [0, 1]", min_side)


def _length(side: int | str, lengths: Mapping[str, int]) -> int | str:
    """Return the length of an axis, or its name if its length is not given."""
    if isinstance(side, int):
        return side
    name, _, divisor = side.partition(" // ")
    return lengths[name] // int(divisor or 1) if name in lengths else side


def _style_target(style_loss: str, layer: Layer, min_side: int, count: int | str) -> TensorSpec:
    name, channels, target = STYLE.format(style_loss, layer.name), layer.out_channels, exported_target(style_loss)
    if target.columns is None:
        return TensorSpec(name, _feature_shape(count, layer), target.meaning, min_side)
    return TensorSpec(name, (count, channels, target.columns(channels)), target.meaning)


def _style_weights(style_loss: str, taps: int, per_region: tuple[str, ...]) -> TensorSpec:
    if divisors := exported_target(style_loss).divisors:
        meaning = "per layer of style_taps " + ", and ".join(f"its weight / {divisor}" for divisor in divisors)
        return TensorSpec("style_weights", (*per_region, taps, len(divisors)), meaning)
    power = style_loss_spec(style_loss).activation_power
    meaning = f"one weight per layer of style_taps, divided by activation_scale ** {power}"
    return TensorSpec("style_weights", (*per_region, taps), meaning)


def _feature_shape(batch: int | str, layer: Layer) -> tuple[int | str, ...]:
    height, width = (side if layer.stride == 1 else f"{side} // {layer.stride}" for side in ("height", "width"))
    return batch, layer.out_channels, height, width
