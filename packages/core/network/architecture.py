"""VGG-16 and VGG-19 as data: which layers there are, what they are called and where they end.

After Simonyan and Zisserman, *Very Deep Convolutional Networks for Large-Scale Image Recognition*
(arXiv 1409.1556), table 1, columns D and E, without the classifier. Layers carry the names of the published
Caffe models, which Gatys et al. use too: block, then position in it. This module does not import torch.
"""

import difflib
import re
from collections.abc import Iterable
from functools import cache
from typing import Literal, NamedTuple

from core.errors import UsageError

# Per block: how many 3x3 convolutions, each followed by a ReLU, and their channels. A 2x2 pooling ends it.
ARCHITECTURES: dict[str, tuple[tuple[int, int], ...]] = {
    "vgg16": ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)),
    "vgg19": ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512)),
}

_FIREKIND_NAME = re.compile(r"conv_(\d)_(\d)")
_NAMED = re.compile(r"block(\d)_conv(\d)|conv(\d)_(\d)")  # Keras | Caffe, and ours
_NUMBERED = re.compile(r"(?:^|\.)features\.(\d+)\.|^(\d+)\.(?:weight|bias)$")  # torchvision


class Layer(NamedTuple):
    """One layer of the network, in the order in which the image passes through."""

    name: str  # "conv4_2", "relu4_2", "pool4"
    kind: Literal["conv", "relu", "pool"]
    in_channels: int
    out_channels: int
    stride: int  # image pixels from one output pixel to the next
    torchvision_index: int  # its place in the `features` of torchvision's model


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
    """Return the layers of `arch` that have weights, in order; UsageError if `arch` is unknown."""
    return tuple(layer for layer in layers(arch) if layer.kind == "conv")


def truncated(arch: str, taps: Iterable[str]) -> tuple[Layer, ...]:
    """Return the layers of `arch` up to and including the deepest of `taps`: nothing past it is ever needed.

    Raises UsageError for an unknown architecture or tap, and when there is no tap at all.
    """
    table = layers(arch)
    wanted = {canonical_layer_name(tap, arch) for tap in taps}
    if not wanted:
        raise UsageError(f"no layer of {arch} was named: name at least one, such as relu4_2")
    deepest = max(position for position, layer in enumerate(table) if layer.name in wanted)
    return table[: deepest + 1]


def canonical_layer_name(name: str, arch: str) -> str:
    """Return the layer of `arch` that `name` means: a name in `layers(arch)` or one of the seed project's.

    firekind/style-transfer captured "conv_4_2" ahead of an in-place ReLU, which then overwrote what it had
    captured. What it really optimised was relu4_2, so that is what its name means here; the convolution's
    own output is "conv4_2". Raises UsageError for a layer that `arch` does not have.
    """
    names = [layer.name for layer in layers(arch)]
    tap = _FIREKIND_NAME.sub(r"relu\1_\2", name) if _FIREKIND_NAME.fullmatch(name) else name
    if tap in names:
        return tap
    close = difflib.get_close_matches(tap, names, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    raise UsageError(f"there is no layer {name!r} in {arch}, which has {_ranges(arch)}{hint}")


def layer_of_parameter(tensor: str, arch: str) -> str | None:
    """Return the convolution of `arch` that a stored tensor belongs to, None if it is not named after one.

    Knows the names of torchvision ("features.0.weight", with or without what precedes the number), Keras
    ("block1_conv1/kernel:0") and Caffe ("conv1_1.weight"). Raises UsageError for a convolution that `arch`
    does not have: the weights are another architecture's.
    """
    by_index = {conv.torchvision_index: conv.name for conv in convolutions(arch)}
    if match := _NAMED.search(tensor):
        name = "conv{}_{}".format(*filter(None, match.groups()))
    elif match := _NUMBERED.search(tensor):
        name = by_index.get(int(match[1] or match[2]), "")
    else:
        return None
    if name not in by_index.values():
        raise UsageError(f"there is no convolution for {tensor} in {arch}: are the weights another network's?")
    return name


def _ranges(arch: str) -> str:
    """Say which layers exist without listing them all: "conv1_1 … conv5_4, relu1_1 … relu5_4, …"."""
    table = layers(arch)
    by_kind = [[layer.name for layer in table if layer.kind == kind] for kind in ("conv", "relu", "pool")]
    return ", ".join(f"{names[0]} … {names[-1]}" for names in by_kind)


MIN_SIDE = 16
"""VGG halves a picture four times: below this many pixels a side nothing is left of it at relu5_1."""
