"""Inputs and outputs of exported modules.

One `TensorSpec` per input or output gives its description in the manifest, its dynamic shape and example value for the
tracers, and its axis names in the ONNX graph. `TOLERANCES` holds the allowed differences from float64.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.export import Dim

from core.artifacts.manifest import Kind, Precision
from core.artifacts.runtimes import ONNX_RUNTIME, Execution
from core.backends.onnx_backend import CONTENT, GRAM
from core.network.architecture import MIN_SIDE, Layer, layers

TOLERANCES: Mapping[tuple[Kind, Precision], Mapping[str, float]] = {
    ("extractor", "fp32"): {"features": 1e-6, "gradient": 1e-3},
    ("extractor", "fp16"): {"features": 2e-3, "gradient": 5e-2},
    ("objective", "fp32"): {"loss": 1e-6, "gradient": 1e-6},
}
"""Allowed relative L2 errors against eager float64; twice the error of eager float32 is allowed where that is larger.

The tolerance of the gradient of an extractor is larger: where rounding changes the sign of a ReLU input or the argmax
of a max-pooling window, a whole path of the gradient changes, in eager float32 too. An objective is verified at images
where that does not happen.
"""

RUNTIME_TOLERANCES: Mapping[Execution, Mapping[str, float]] = {
    Execution("openvino", "fp32"): {"features": 1e-5, "loss": 1e-5, "gradient": 1e-5},
    Execution("openvino", "bf16"): {"features": 2e-2, "loss": 5e-2, "gradient": 0.15},
}
"""Tolerances of runtimes that round more coarsely than ONNX Runtime; bfloat16 has 8 bits of mantissa."""


def tolerances_of(kind: Kind, precision: Precision, execution: Execution = ONNX_RUNTIME) -> Mapping[str, float]:
    """Return the tolerance of each quantity for an artifact with weights of this `precision`, in a runtime."""
    coarser = RUNTIME_TOLERANCES.get(execution, {})
    return {quantity: max(value, coarser.get(quantity, 0)) for quantity, value in TOLERANCES[kind, precision].items()}


STYLE_LOSS = "gram"
"""Style loss of an exported objective, registered as exportable in `core.config.style_losses`."""


@dataclass(frozen=True)
class TensorSpec:
    """A float32 input or output of an exported module.

    Attributes:
        name: Name in the ONNX graph and in the manifest.
        shape: Length or name of each axis: "batch", "height", "width", or a floor division such as
            "height // 8".
        meaning: Range and meaning, for the manifest.
        min_side: Smallest height and width.
    """

    name: str
    shape: tuple[int | str, ...]
    meaning: str = ""
    min_side: int = MIN_SIDE

    def describe(self) -> str:
        """Return dtype, shape and meaning as text."""
        shape = ", ".join(map(str, self.shape)) + ("," if len(self.shape) == 1 else "")
        return f"float32 ({shape})" + (f", {self.meaning}" if self.meaning else "")

    def example(self) -> Tensor:
        """Return zeros to trace with.

        Tracers specialise axes of length 1, so the example height is twice and the width three times `min_side`, and no
        axis of a feature map has length 1.
        """
        return torch.zeros([side if isinstance(side, int) else self._example_length(side) for side in self.shape])

    def dynamic_shape(self) -> dict[int, object]:
        """Return the axes that may vary, as torch.export expects them."""
        return {axis: self._dim(side) for axis, side in enumerate(self.shape) if isinstance(side, str)}

    def _example_length(self, side: str) -> int:
        name, _, divisor = side.partition(" // ")
        lengths = {"batch": 2, "height": 2 * self.min_side, "width": 3 * self.min_side}
        return lengths[name] // int(divisor or 1)

    def _dim(self, side: str) -> object:
        if side in ("batch", "height", "width"):
            return Dim(side, min=1 if side == "batch" else self.min_side)
        return Dim.AUTO  # follows from height or width


Inputs = Mapping[str, TensorSpec | Sequence[TensorSpec]]
"""The arguments of a module's forward method, tensors or lists of tensors, by parameter name."""


def flatten(inputs: Inputs) -> list[TensorSpec]:
    """Return all tensors of the arguments, in order."""
    return [spec for value in inputs.values() for spec in ([value] if isinstance(value, TensorSpec) else value)]


def examples(inputs: Inputs) -> tuple[Tensor | list[Tensor], ...]:
    """Return example arguments to trace with, in order."""
    return tuple(
        value.example() if isinstance(value, TensorSpec) else [spec.example() for spec in value]
        for value in inputs.values()
    )


def dynamic_shapes(inputs: Inputs) -> dict[str, Any]:
    """Return the axes of the arguments that may vary, as torch.export expects them."""
    return {
        name: value.dynamic_shape() if isinstance(value, TensorSpec) else [spec.dynamic_shape() for spec in value]
        for name, value in inputs.items()
    }


def extractor_inputs() -> Inputs:
    """Return the argument of an extractor."""
    return {"image": _image("batch", MIN_SIDE)}


def extractor_outputs(arch: str, taps: Sequence[str]) -> list[TensorSpec]:
    """Return the outputs of an extractor for canonical layer names."""
    table = {layer.name: layer for layer in layers(arch)}
    meaning = "features of the published network, not divided by activation_scale"
    return [TensorSpec(tap, _feature_shape("batch", table[tap]), meaning) for tap in taps]


def objective_inputs(network_layers: Sequence[Layer], content_taps: Sequence[str], style_taps: Sequence[str]) -> Inputs:
    """Return the arguments of `export.objective.module.ObjectiveModule`.

    `network_layers`: The layers of the network up to the deepest tap, in order.
    """
    table = {layer.name: layer for layer in network_layers}
    channels = {tap: table[tap].out_channels for tap in style_taps}
    min_side = max(MIN_SIDE, network_layers[-1].stride)  # gives the deepest layer at least one position
    content_weights = "one weight per layer of content_taps, divided by activation_scale ** 2"
    style_weights = "one weight per layer of style_taps, divided by activation_scale ** 4"
    return {
        "image": _image(1, min_side),
        "content": [
            TensorSpec(CONTENT.format(tap), _feature_shape(1, table[tap]), "features of the content image", min_side)
            for tap in content_taps
        ],
        "grams": [
            TensorSpec(
                GRAM.format(tap),
                (1, channels[tap], channels[tap]),
                "Gram matrix of the style image: features @ features.T / (height * width)",
            )
            for tap in style_taps
        ],
        "content_weights": TensorSpec("content_weights", (len(content_taps),), content_weights),
        "style_weights": TensorSpec("style_weights", (len(style_taps),), style_weights),
        "tv_weight": TensorSpec("tv_weight", (1,), "weight of the total variation"),
    }


def objective_outputs() -> list[TensorSpec]:
    """Return the outputs of `export.objective.module.ObjectiveModule`, in order."""
    return [
        TensorSpec("loss", (), "the sum of the weighted losses"),
        TensorSpec("gradient", (1, 3, "height", "width"), "gradient of the loss with respect to the image"),
        TensorSpec("content", (), "the weighted content loss"),
        TensorSpec("style", (), "the weighted style loss"),
        TensorSpec("tv", (), "the weighted total variation"),
    ]


def _image(batch: int | str, min_side: int) -> TensorSpec:
    meaning = f"RGB in [0, 1], height and width at least {min_side}"
    return TensorSpec("image", (batch, 3, "height", "width"), meaning, min_side)


def _feature_shape(batch: int | str, layer: Layer) -> tuple[int | str, ...]:
    height, width = (side if layer.stride == 1 else f"{side} // {layer.stride}" for side in ("height", "width"))
    return batch, layer.out_channels, height, width
