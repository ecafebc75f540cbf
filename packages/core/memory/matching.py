"""The cells into which position targets divide images, and the memory of matching them. Without PyTorch."""

import math
from typing import TYPE_CHECKING

from core.config.style_losses import style_loss_spec
from core.network.architecture import truncated

if TYPE_CHECKING:
    from core.arrays import Size
    from core.config.transfer_config import TransferConfig

CELL_SIDES = (4, 8, 16)
"""Sides of cells in pixels; the first with at most `MAX_CELLS` cells is used."""

MAX_CELLS = 2**16
"""The work of the search for the nearest cell grows with the square of the number of cells."""


def cell_side(pixels: int, finest_stride: int = 1) -> int:
    """Return the side of the cells of an image, of which the finest features have this stride."""
    smallest = next((side for side in CELL_SIDES if pixels <= MAX_CELLS * side**2), CELL_SIDES[-1])
    return max(smallest, finest_stride)


def matching_memory(size: "Size", style_size: "Size", config: "TransferConfig") -> int:
    """Return the estimated bytes while position targets are computed, without the targets; 0 for other losses.

    The features of three images exist at once, in float32: of the content, of the initial image and of the style image.
    So do the descriptions of their cells, one value for each channel of each layer.
    """
    if not style_loss_spec(config.style_loss).position_targets:
        return 0
    layers = [layer for layer in truncated(config.arch, config.style_layers) if layer.name in config.style_layers]
    content, style = math.prod(size), math.prod(style_size)
    cell = cell_side(content, min(layer.stride for layer in layers)) ** 2
    features = sum(layer.out_channels / layer.stride**2 for layer in layers)
    description = sum(layer.out_channels for layer in layers) / cell
    return math.ceil(4 * (features + description) * (2 * content + style))
