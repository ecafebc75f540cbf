"""VGG-16 and VGG-19 as data: layers, names, channels and strides.

Source: Simonyan and Zisserman, *Very Deep Convolutional Networks for Large-Scale Image Recognition* (arXiv 1409.1556),
table 1, columns D and E, without the classifier. Layers have the names of the published Caffe models, which Gatys et
al. use too: "relu4_2" is the ReLU after the second convolution of block 4. This module does not import torch.
"""

import difflib
import re
from collections.abc import Iterable
from functools import cache
from typing import Literal, NamedTuple

from core.errors import UsageError

ARCHITECTURES: dict[str, tuple[tuple[int, int], ...]] = {
    "vgg16": ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)),
    "vgg19": ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512)),
}
"""Blocks by architecture: number of 3x3 convolutions, each with a ReLU, and channels. A 2x2 pooling ends a block."""

Pooling = Literal["max", "average"]
"""What the network does at the end of a block: the maximum, as it was trained, or the mean of 2x2 values."""

WEIGHT_SOURCES = ("oxford", "torchvision", "torchvision-features")
"""Names of the sources of weights that are not files."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""The mean colour of ImageNet, whose images the networks were trained on: RGB in [0, 1]."""

MIN_SIDE = 16
"""Smallest height and width of an image: relu5_1 is behind four poolings that halve it."""

_FIREKIND_LAYER = re.compile(r"conv_(\d)_(\d)")
_NAMED_PARAMETER = re.compile(r"block(\d)_conv(\d)|conv(\d)_(\d)")  # Keras | Caffe and this package
_NUMBERED_PARAMETER = re.compile(r"(?:^|\.)features\.(\d+)\.|^(\d+)\.(?:weight|bias)$")  # torchvision


class Layer(NamedTuple):
    """A layer of the network."""

    name: str  # "conv4_2", "relu4_2", "pool4"
    kind: Literal["conv", "relu", "pool"]
    in_channels: int
    out_channels: int
    stride: int  # image pixels between neighbouring output values
    torchvision_index: int  # index in `features` of torchvision's model


def layers(arch: str) -> tuple[Layer, ...]:
    """Return every convolution, ReLU and pooling of `arch`, in network order.

    Raises:
        UsageError: The architecture is unknown.
    """
    if arch not in ARCHITECTURES:
        raise UsageError(f"unknown architecture {arch!r}: use {' or '.join(ARCHITECTURES)}")
    return _layers_of_blocks(ARCHITECTURES[arch])


@cache
def _layers_of_blocks(blocks: tuple[tuple[int, int], ...]) -> tuple[Layer, ...]:
    table: list[Layer] = []
    channels = 3
    for block, (convolutions, width) in enumerate(blocks, start=1):
        stride = 2 ** (block - 1)
        for position in range(1, convolutions + 1):
            table.append(Layer(f"conv{block}_{position}", "conv", channels, width, stride, len(table)))
            table.append(Layer(f"relu{block}_{position}", "relu", width, width, stride, len(table)))
            channels = width
        table.append(Layer(f"pool{block}", "pool", width, width, 2 * stride, len(table)))
    return tuple(table)


def convolutions(arch: str) -> tuple[Layer, ...]:
    """Return the layers of `arch` that have weights, in network order.

    Raises:
        UsageError: The architecture is unknown.
    """
    return tuple(layer for layer in layers(arch) if layer.kind == "conv")


def truncated(arch: str, taps: Iterable[str]) -> tuple[Layer, ...]:
    """Return the layers of `arch` up to and including the deepest of `taps`.

    Raises:
        UsageError: The architecture or a tap is unknown, or there is no tap.
    """
    table = layers(arch)
    names = {canonical_layer_name(tap, arch) for tap in taps}
    if not names:
        raise UsageError(f"no layer of {arch} was given: name at least one, such as relu4_2")
    deepest = max(position for position, layer in enumerate(table) if layer.name in names)
    return table[: deepest + 1]


def channels_of(tap: str, arch: str) -> int:
    """Return the number of channels of the layer `tap`.

    Raises:
        UsageError: The architecture or the tap is unknown.
    """
    return truncated(arch, [tap])[-1].out_channels


def stride_of(tap: str) -> int:
    """Return the stride of a layer, in image pixels; every layer of VGG-16 has the stride of its namesake in VGG-19."""
    return next(layer.stride for layer in layers("vgg19") if layer.name == tap)


def canonical_layer_name(name: str, arch: str) -> str:
    """Return the name in `layers(arch)` of a layer, given this name or that of firekind/style-transfer.

    That program captures "conv_4_2" before a ReLU that works in place and overwrites the captured features, so that
    its "conv_4_2" is relu4_2. The output of the convolution itself is "conv4_2".

    Raises:
        UsageError: `arch` has no such layer.
    """
    names = [layer.name for layer in layers(arch)]
    canonical = _FIREKIND_LAYER.sub(r"relu\1_\2", name) if _FIREKIND_LAYER.fullmatch(name) else name
    if canonical in names:
        return canonical
    close = difflib.get_close_matches(canonical, names, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    raise UsageError(f"there is no layer {name!r} in {arch}, which has {_name_ranges(arch)}{hint}")


def layer_of_parameter(parameter: str, arch: str) -> str | None:
    """Return the convolution of `arch` to which a stored parameter belongs, or None if its name denotes no convolution.

    Accepts the names of torchvision ("features.0.weight", with any prefix or only the number), Keras
    ("block1_conv1/kernel:0") and Caffe ("conv1_1.weight").

    Raises:
        UsageError: The name denotes a convolution that `arch` does not have.
    """
    by_index = {conv.torchvision_index: conv.name for conv in convolutions(arch)}
    if match := _NAMED_PARAMETER.search(parameter):
        name = "conv{}_{}".format(*filter(None, match.groups()))
    elif match := _NUMBERED_PARAMETER.search(parameter):
        name = by_index.get(int(match[1] or match[2]), "")
    else:
        return None
    if name not in by_index.values():
        raise UsageError(f"{arch} has no convolution for {parameter}: check that the weights are those of a {arch}")
    return name


def _name_ranges(arch: str) -> str:
    """Return the ranges of layer names: "conv1_1 … conv5_4, relu1_1 … relu5_4, pool1 … pool5"."""
    table = layers(arch)
    by_kind = [[layer.name for layer in table if layer.kind == kind] for kind in ("conv", "relu", "pool")]
    return ", ".join(f"{names[0]} … {names[-1]}" for names in by_kind)
