"""What every exported extractor takes and returns: in words for its manifest, in shapes for the tracers."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.export import Dim

from core.network.architecture import MIN_SIDE, layers


def inputs() -> dict[str, str]:
    """The input of an extractor, in words."""
    return {"image": f"float32 (batch, 3, height, width), RGB in [0, 1], height and width at least {MIN_SIDE}"}


def outputs(arch: str, taps: Sequence[str]) -> dict[str, str]:
    """The outputs of an extractor, in words, by their names."""
    table = {layer.name: layer for layer in layers(arch)}
    return {tap: _features(table[tap].out_channels, table[tap].stride) for tap in taps}


def _features(channels: int, stride: int) -> str:
    height, width = (side if stride == 1 else f"{side} // {stride}" for side in ("height", "width"))
    return f"float32 (batch, {channels}, {height}, {width}), on the scale of the published network"


def example() -> Tensor:
    """An image to trace with. No side is 1, which a tracer would take to be fixed, and no two are equal."""
    return torch.zeros(2, 3, 32, 48)


def dynamic_shapes() -> dict[str, Any]:
    """Which sides of the image may vary, and from where on, as torch.export takes it."""
    return {"image": {0: Dim("batch", min=1), 2: Dim("height", min=MIN_SIDE), 3: Dim("width", min=MIN_SIDE)}}
