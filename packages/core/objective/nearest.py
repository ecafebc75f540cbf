"""A style loss after Kolkin et al., Neural Neighbor Style Transfer (arXiv 2203.13215, sections 3.2 and 3.3).

Gram matrices compare averages over the whole image, so that a piece of the style image can appear anywhere. This loss
chooses for every position of the content image the most similar position of the style image, and compares the features
there. The choice is made anew at every scale, with the result of the scale before. In the final pass, each layer
chooses by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, normalize

from core.memory.matching import cell_side
from core.network.architecture import stride_of
from core.objective.content import content_backward, content_loss
from core.objective.masks import check_not_empty
from core.objective.reductions import as_float32, flatten_positions
from core.objective.style_loss import StyleLoss
from core.objective.types import LayerFeatures

MAX_SAMPLES = 4096
"""Number of positions of the style images among which a layer chooses in the final pass."""

MAX_SIMILARITIES = 2**24
"""Number of similarities that are computed at a time: 64 MiB."""


class NearestLoss(StyleLoss):
    """Mean squared difference of the features and the features of the nearest cells of the style images.

    The images are divided into cells. A cell is described by the features of all layers there (a hypercolumn), and its
    nearest cell in the style images is the one with the largest cosine. The target of a position is the feature at the
    same place in the nearest cell. In the final pass the target of a position is the most similar feature among
    sampled positions of the style images at the same layer. The statistic of a layer is its loss, a scalar.
    """

    def statistic(self, features: Tensor, mask: Tensor | None = None, target: Tensor | None = None) -> Tensor:
        """Return the mean squared difference of features and `target`, both (1, C, H, W), weighted by `mask`."""
        return content_loss(features, _given(target), mask)

    def position_targets(
        self,
        styles: Sequence[LayerFeatures],
        content: LayerFeatures,
        image: LayerFeatures,
        style_mask: Tensor | None = None,
        *,
        separate_layers: bool = False,
    ) -> LayerFeatures:
        """Return the features of the nearest cells or positions, (1, C, H, W) by tap.

        The descriptions of `content` and of `image` are averaged; Kolkin et al. also mix the two. With a style mask
        only cells where it is at least half of its maximum are candidates. With `separate_layers` only `image` is
        described.
        """
        if separate_layers:
            return {
                tap: nearest_features(values, [style[tap] for style in styles], stride_of(tap), style_mask)
                for tap, values in image.items()
            }
        cell = cell_size(image)
        described = (hypercolumns(content, cell) + hypercolumns(image, cell)) / 2
        matches = find_nearest(described, [hypercolumns(style, cell) for style in styles], cell, style_mask)
        return {tap: matches.gather(tap, [style[tap] for style in styles], image[tap]) for tap in image}

    def loss(self, statistic: Tensor, target: Tensor) -> Tensor:
        """Return the statistic, which is the loss."""
        return statistic

    def backward(
        self,
        grad: Tensor,
        features: Tensor,
        grad_statistic: Tensor,
        mask: Tensor | None = None,
        target: Tensor | None = None,
    ) -> None:
        """Accumulate dL/dfeatures into `grad` (1, C, H, W), given dL/dstatistic as a scalar tensor."""
        content_backward(grad, features, grad_statistic, _given(target), mask)


@dataclass(frozen=True)
class Matches:
    """The nearest cell for every cell of an image, as integers (h, w).

    Attributes:
        cell: Side of a cell in pixels.
        image: Number of the style image.
        row: Row of the cell there.
        column: Column of the cell there.
    """

    cell: int
    image: Tensor
    row: Tensor
    column: Tensor

    def gather(self, tap: str, styles: Sequence[Tensor], like: Tensor) -> Tensor:
        """Return the features of the nearest cells at a tap, with the shape (1, C, H, W) of `like`.

        `styles` are the features (1, C, h, w) of the style images. Where a cell has several positions, a position gets
        the feature at the same place of the nearest cell; where a position covers several cells, the mean of theirs.
        """
        stride, (height, width) = stride_of(tap), like.shape[2:]
        positions, cells = max(1, self.cell // stride), max(1, stride // self.cell)  # in a cell; in a position
        height, width = height * cells, width * cells
        rows, columns = (torch.arange(side, device=like.device) for side in (height, width))
        cell_rows = (rows // positions).clamp(max=self.row.shape[0] - 1)
        cell_columns = (columns // positions).clamp(max=self.row.shape[1] - 1)
        chosen = cell_rows[:, None], cell_columns[None]
        row = self.row[chosen] * positions + (rows - cell_rows * positions).clamp(max=positions - 1)[:, None]
        column = self.column[chosen] * positions + (columns - cell_columns * positions).clamp(max=positions - 1)
        gathered = like.new_zeros(1, like.shape[1], height, width)
        for number, style in enumerate(styles):
            last_row, last_column = style.shape[2] - 1, style.shape[3] - 1
            features = style[:, :, (row // cells).clamp(max=last_row), (column // cells).clamp(max=last_column)]
            gathered = torch.where(self.image[chosen] == number, features, gathered)
        return avg_pool2d(gathered, cells) if cells > 1 else gathered


def cell_size(features: LayerFeatures) -> int:
    """Return the side in pixels of the cells of an image with these features."""
    finest = min(features, key=stride_of)
    return cell_side(features[finest][0, 0].numel() * stride_of(finest) ** 2, stride_of(finest))


def hypercolumns(features: LayerFeatures, cell: int) -> Tensor:
    """Return the description (C, h, w) of every cell of an image: the features of all layers, centred.

    C is the sum of the channels. Every layer is divided by its root mean square, so that all layers count alike, and
    every description has length 1.
    """
    finest = min(features, key=stride_of)
    height, width = (side // (cell // stride_of(finest)) for side in features[finest].shape[2:])
    layers = []
    for tap, values in features.items():
        if stride_of(tap) < cell:
            here = avg_pool2d(as_float32(values), cell // stride_of(tap))[0]
        else:
            here = interpolate(as_float32(values), size=(height, width), mode="bilinear", align_corners=False)[0]
        centred = here - here.mean((1, 2), keepdim=True)
        layers.append(centred / centred.square().sum(0).mean().sqrt().clamp(min=1e-12))
    return normalize(torch.cat(layers), dim=0)


def find_nearest(
    described: Tensor, candidates: Sequence[Tensor], cell: int, style_mask: Tensor | None = None
) -> Matches:
    """Return the candidate with the largest cosine for every cell.

    Args:
        described: Descriptions (C, h, w) of the cells of an image.
        candidates: Descriptions (C, h, w) of length 1 of the cells of the style images.
        cell: Side of a cell in pixels.
        style_mask: Mask (1, 1, H, W) of the only style image; None for all of it.
    """
    _, height, width = described.shape
    best = described.new_full((height * width,), -torch.inf)
    image, position, columns = (torch.zeros_like(best, dtype=torch.long) for _ in range(3))
    for number, candidate in enumerate(candidates):
        kept = _kept_cells(candidate, style_mask, cell)
        similarity, found = most_similar(described.flatten(1), candidate.flatten(1)[:, kept])
        better = similarity > best
        best = torch.where(better, similarity, best)
        image, position = image.masked_fill(better, number), torch.where(better, kept[found], position)
        columns = columns.masked_fill(better, candidate.shape[2])
    return Matches(
        cell, *(values.reshape(height, width) for values in (image, position // columns, position % columns))
    )


def nearest_features(
    features: Tensor, styles: Sequence[Tensor], stride: int, style_mask: Tensor | None = None
) -> Tensor:
    """Return for every position the feature of the style with the largest cosine, all centred: (1, C, H, W).

    Args:
        features: Features (1, C, H, W) of an image at one layer.
        styles: Features (1, C, h, w) of the style images, of whose positions at most `MAX_SAMPLES` are candidates.
        stride: Stride of the layer in pixels.
        style_mask: Mask (1, 1, h · stride, w · stride) of the only style image; None for all of it.
    """
    positions = [(style[0].flatten(1), _kept_cells(style[0], style_mask, stride)) for style in styles]
    candidates = torch.cat([as_float32(flat[:, _sampled(kept, len(styles))]) for flat, kept in positions], 1)
    described = normalize(candidates - candidates.mean(1, keepdim=True), dim=0)
    wanted = flatten_positions(features)[0]
    found = most_similar(wanted, described, as_float32(features[0]).mean((1, 2)))[1]
    height, width = features.shape[2:]
    targets = candidates.T.contiguous()[found].reshape(1, height, width, -1).permute(0, 3, 1, 2)
    return torch.empty_like(features).copy_(targets)  # in the memory layout of the features


def most_similar(wanted: Tensor, candidates: Tensor, mean: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return the largest product of each column of `wanted` (C, N) with a column of `candidates`, and which one it is.

    The products are computed in the precision of `candidates`. `mean` (C,) is subtracted from the columns of `wanted`.
    """
    block = max(1, MAX_SIMILARITIES // candidates.shape[1])
    maxima = []
    for part in torch.split(wanted, block, 1):
        described = part.T.to(candidates.dtype) if mean is None else part.T.to(candidates.dtype) - mean
        maxima.append(as_float32(described @ candidates).max(1))
    similarities, found = (torch.cat(values) for values in zip(*maxima, strict=True))
    return similarities, found


def _sampled(positions: Tensor, images: int) -> Tensor:
    """Return some of the positions of one of several style images, which all get the same share of `MAX_SAMPLES`.

    They are drawn at random, the same ones every time.
    """
    share = max(1, MAX_SAMPLES // images)
    if len(positions) <= share:
        return positions
    drawn = torch.randint(len(positions), (share,), generator=torch.Generator().manual_seed(0))
    return positions[drawn.to(positions.device)]


def _kept_cells(candidate: Tensor, style_mask: Tensor | None, cell: int) -> Tensor:
    """Return the positions, in row-major order, of the cells that a style mask selects."""
    cells = torch.arange(candidate[0].numel(), device=candidate.device)
    if style_mask is None:
        return cells
    small = avg_pool2d(style_mask, cell).flatten()
    check_not_empty(small.max().item(), "style")
    return cells[small >= small.max() / 2]


def _given(target: Tensor | None) -> Tensor:
    assert target is not None, "this loss is registered with position_targets"
    return target
