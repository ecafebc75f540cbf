"""The two losses of NNST (arXiv 2203.13215, sections 3.2 and 3.3): hypercolumns, and each layer by itself."""

import random
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate, normalize

from core.objective.nearest import most_similar
from core.objective.reductions import as_float32

Features = Mapping[str, Tensor]
"""The features (1, C, h, w) of an image by tap."""

SAMPLED_SIDE = 64
"""In the last pass, layers with a longer side are sampled on a grid of about this many positions."""


def hypercolumns(features: Features, size: tuple[int, int]) -> Tensor:
    """Return the features of all layers, each divided by its number of channels, with the same height and width.

    The result has the shape (1, C, h, w), and (h, w) is `size`: `quarter_of` the image.
    """
    resized = [
        interpolate(as_float32(values) / values.shape[1], size, mode="bilinear", align_corners=True)
        for values in features.values()
    ]
    return torch.cat(resized, 1)


def quarter_of(image: Tensor) -> tuple[int, int]:
    """Return a quarter of the height and width of an image, which is the resolution of its hypercolumns."""
    return image.shape[2] // 4, image.shape[3] // 4


def nearest(wanted: Tensor, candidates: Tensor) -> Tensor:
    """Return for every column of `wanted` (C, N) the column of `candidates` (C, M) with the largest centred cosine.

    Both are centred by their own means. The result has the shape (C, N).
    """
    return candidates[:, most_similar(_centred(wanted), _centred(candidates))[1]]


def hypercolumn_loss(found: Tensor, target: Tensor) -> Tensor:
    """Return the mean cosine distance of hypercolumns (1, C, h, w) and their targets."""
    return 1 - (normalize(found, dim=1) * normalize(target, dim=1)).sum(1).mean()


def layer_loss(features: Features, styles: Sequence[Features], draw: random.Random) -> Tensor:
    """Return the sum over the layers of the mean centred cosine distance to the nearest position of the style.

    `styles` are the features of the rotations of the style image; the nearest position is searched in their precision.
    `draw` chooses the offsets of the sampled grids.
    """
    losses = []
    for tap, values in features.items():
        rows, columns = _sampled_grid(values, draw)
        style_dtype = styles[0][tap].dtype
        offered = torch.cat([as_float32(style[tap])[0, :, rows, columns].flatten(1) for style in styles], 1)
        described, offered = _centred(as_float32(values)[0, :, rows, columns].flatten(1)), _centred(offered)
        chosen = most_similar(described.detach(), offered.to(style_dtype))[1]
        losses.append(1 - (described * offered[:, chosen]).sum(0).mean())
    return torch.stack(losses).sum()


def rotations(image: Tensor) -> Iterator[Tensor]:
    """Yield an image (1, C, H, W) and its rotations by 90, 180 and 270 degrees."""
    for quarters in range(4):
        yield torch.rot90(image, quarters, (2, 3)).contiguous()


def _sampled_grid(values: Tensor, draw: random.Random) -> tuple[slice, slice]:
    stride = max(1, max(values.shape[2:]) // SAMPLED_SIDE)
    rows, columns = draw.randrange(stride), draw.randrange(stride)
    return slice(rows, None, stride), slice(columns, None, stride)


def _centred(columns: Tensor) -> Tensor:
    """Return columns (C, N) of length 1, after their mean was subtracted."""
    return normalize(columns - columns.mean(1, keepdim=True), dim=0)
