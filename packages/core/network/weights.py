"""Weights of the network in one form, whatever their source, and the preprocessing of images that they require."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch

from core.errors import StyleTransferError, UsageError
from core.network.architecture import IMAGENET_MEAN, convolutions, layer_of_parameter
from core.network.weight_sources import read_source

_IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Preprocessing:
    """Preprocessing of an image for a published network: network_input = (image[order] - mean) / std.

    `image` is RGB in [0, 1]. `mean` and `std` are on the same scale, in the channel order of the network.
    """

    name: str
    order: Literal["RGB", "BGR"]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @property
    def activation_scale(self) -> float:
        """Size of the activations relative to a network with inputs of unit variance.

        Convolutions and ReLUs are homogeneous (up to the biases, which training adapts): a network trained on
        inputs k times as large has activations about k times as large. The scale is 1 for torchvision and
        0.226 * 255 = 57.6 for Caffe. A content loss grows with its square and a Gram loss with its fourth
        power; the objective divides them by these powers, so that a loss weight has the same effect with every
        source.
        """
        return sum(_IMAGENET_STD) / sum(self.std)


PREPROCESSINGS = {
    preprocessing.name: preprocessing
    for preprocessing in (
        # Oxford's own: BGR in 0..255, minus the mean color, not divided.
        Preprocessing("caffe", "BGR", (103.939 / 255, 116.779 / 255, 123.68 / 255), (1 / 255,) * 3),
        Preprocessing("caffe-rgb", "RGB", (0.48235, 0.45882, 0.40784), (1 / 255,) * 3),
        Preprocessing("torchvision", "RGB", IMAGENET_MEAN, _IMAGENET_STD),
    )
}
"""Known preprocessings by name."""


@dataclass(frozen=True, eq=False)
class Weights:
    """Weights of the convolutions of a VGG network.

    `state` maps "conv1_1.weight" to a (O, I, 3, 3) and "conv1_1.bias" to a (O,) float32 tensor on the CPU, in
    network order; it ends at the last convolution of the source. `source` is the argument of `load_weights`,
    `sha256` the checksum of the whole file.
    """

    arch: str
    source: str
    sha256: str
    preprocessing: Preprocessing
    state: dict[str, torch.Tensor] = field(repr=False)


def load_weights(
    arch: str, source: str = "oxford", preprocessing: str | None = None, *, progress: bool = False
) -> Weights:
    """Load the weights of `arch` ("vgg16" or "vgg19") from `source`.

    Args:
        arch: The architecture.
        source: "oxford" (VGG-19 only), "torchvision", "torchvision-features" (VGG-16 only), or the path of a
            .safetensors, .pth, .pt, .onnx or .h5 file with the tensor names of torchvision, Keras or Caffe. The
            classifier is ignored.
        preprocessing: "caffe", "caffe-rgb" or "torchvision"; required if and only if a file does not state it.
        progress: Show torchvision's progress bar on standard error.

    Raises:
        UsageError: The architecture, source or preprocessing is unknown, or they do not match.
        StyleTransferError: The file is damaged or cannot be downloaded.
    """
    convolutions(arch)  # raises for an unknown architecture before anything is read
    if preprocessing is not None and preprocessing not in PREPROCESSINGS:
        raise UsageError(f"unknown preprocessing {preprocessing!r}: use {' or '.join(PREPROCESSINGS)}")
    stored = read_source(source, arch, progress=progress)
    state = _validated(_canonical(stored.tensors, arch, source), arch, source)
    return Weights(
        arch, source, stored.sha256, _choose_preprocessing(stored.preprocessing, preprocessing, source), state
    )


def _canonical(tensors: Mapping[str, Any], arch: str, source: str) -> dict[str, torch.Tensor]:
    """Return the tensors of convolutions under canonical names, copied to contiguous float32 OIHW.

    A tensor is copied only if it has the shape of its layer: a file may describe a tensor larger than the memory by a
    few numbers that it repeats.
    """
    state = {}
    shapes = _shapes(arch)
    for name, stored in tensors.items():
        layer = layer_of_parameter(name, arch) if isinstance(name, str) else None  # a pickled key may be anything
        if layer is None or not isinstance(stored, torch.Tensor):
            continue
        if not (stored.is_floating_point() and stored.layout is torch.strided and stored.device.type == "cpu"):
            raise UsageError(f"{source} has {name} of type {stored.dtype}, {stored.layout}: expected plain floats")
        # HWIO (Keras) starts with the 3x3 of the kernel; OIHW does not, since no layer has three outputs.
        hwio = stored.ndim == 4 and stored.shape[:2] == (3, 3)
        tensor = stored.detach().permute(3, 2, 0, 1) if hwio else stored.detach()
        key = f"{layer}.{'bias' if tensor.ndim == 1 else 'weight'}"
        if (shape := tuple(tensor.shape)) != shapes[key]:
            raise UsageError(f"{source} has {key} of shape {shape}, expected {shapes[key]}: check that it is a {arch}")
        state[key] = tensor.to(torch.float32, copy=True, memory_format=torch.contiguous_format)
    return state


def _shapes(arch: str) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the weights of `arch` by canonical name, in network order."""
    shapes: dict[str, tuple[int, ...]] = {}
    for conv in convolutions(arch):
        shapes[f"{conv.name}.weight"] = (conv.out_channels, conv.in_channels, 3, 3)
        shapes[f"{conv.name}.bias"] = (conv.out_channels,)
    return shapes


def _validated(state: Mapping[str, torch.Tensor], arch: str, source: str) -> dict[str, torch.Tensor]:
    """Return the weights in network order; raise for a missing tensor or a value that is not finite."""
    found = [position for position, conv in enumerate(convolutions(arch)) if f"{conv.name}.weight" in state]
    if not found:
        raise UsageError(
            f"{source} contains no convolution of {arch}: expected names such as features.0.weight, "
            "block1_conv1 or conv1_1.weight"
        )
    validated = {}
    for key in list(_shapes(arch))[: 2 * (found[-1] + 1)]:
        if key not in state:
            raise UsageError(f"{source} lacks {key} of {arch}: check that it is a {arch}")
        if not state[key].isfinite().all():
            raise StyleTransferError(f"{source} has non-finite values in {key}: download it again")
        validated[key] = state[key]
    return validated


def _choose_preprocessing(stated: str | None, requested: str | None, source: str) -> Preprocessing:
    """Return the preprocessing that the source states or the caller requests; raise if they contradict each other."""
    chosen = stated if stated in PREPROCESSINGS else requested
    if chosen is None:
        raise UsageError(
            f"{source} does not state the preprocessing of its network: "
            f"add --weights-preprocessing {' or '.join(PREPROCESSINGS)}"
        )
    if requested not in (None, chosen):
        raise UsageError(f"{source} requires the preprocessing {chosen}, not {requested}: omit the option")
    return PREPROCESSINGS[chosen]
