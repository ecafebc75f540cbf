"""The objective tile by tile: the same loss and gradient as on the whole picture, in the memory of one tile.

After Galerne et al., *Scaling Painting Style Transfer* (arXiv 2212.13459).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from core.objective import (
    WHOLE,
    Features,
    Measures,
    Region,
    Remember,
    Targets,
    as_evaluation,
    compute_anew,
    measure,
    style_targets,
    sum_of,
    weigh,
)
from core.optimise import Evaluation
from core.ranks import ALONE, Ranks
from core.styles import Manner
from core.terms import Terms
from core.tiles import Tile, Tiling


@dataclass(frozen=True)
class TiledExtractor:
    """An extractor that reads pictures by tiles, each brought to `device`, wherever the picture lies.

    Where several `ranks` share the tiles, as many as the `tiling` is for, each reads its own.
    """

    extractor: Features
    tiling: Tiling
    device: torch.device
    ranks: Ranks = ALONE

    def tiles(self, image: Tensor) -> tuple[Tile, ...]:
        """The tiles of `image`, (1, 3, H, W), that this process reads."""
        return self.tiling.share((image.shape[3], image.shape[2]), self.ranks.rank)

    def read(self, image: Tensor, tile: Tile) -> Tensor:
        """The pixels (1, 3, h, w) that the tile reads."""
        return image[(..., *tile.read)].to(self.device)

    def features(self, pixels: Tensor, tile: Tile) -> dict[str, Tensor]:
        """The features (1, C, h, w) at every tap that the tile owns, from the pixels it reads."""
        features = self.extractor(pixels)
        return {tap: _Owned.apply(features[tap], *tile.owned(stride)) for tap, stride in self.tiling.strides.items()}

    def at(self, whole: Mapping[str, Tensor], tile: Tile) -> dict[str, Tensor]:
        """Of features of the whole picture by tap, those that the tile owns."""
        strides = self.tiling.strides
        return {tap: values[(..., *tile.placed(strides[tap]))].to(self.device) for tap, values in whole.items()}

    def regions_at(self, regions: Sequence[Region], tile: Tile) -> list[Region]:
        """Of the regions of the whole picture, what the tile owns."""
        return [None if region is None else self.at(region, tile) for region in regions]


class _Owned(torch.autograd.Function):
    """Rows and columns of features (1, C, H, W); the gradient comes back as they are laid out.

    Autograd's own would lay it out in another way, and adding up the two is several times as slow.
    """

    @staticmethod
    def forward(ctx: Any, features: Tensor, rows: slice, columns: slice) -> Tensor:
        ctx.like, ctx.rows, ctx.columns = torch.empty_like(features, device="meta"), rows, columns
        return features[..., rows, columns]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        whole = torch.empty_like(ctx.like, device=gradient.device)
        whole[..., : ctx.rows.start, :] = whole[..., ctx.rows.stop :, :] = 0
        whole[..., ctx.rows, : ctx.columns.start] = whole[..., ctx.rows, ctx.columns.stop :] = 0
        whole[..., ctx.rows, ctx.columns] = gradient
        return whole, None, None


@torch.no_grad()
def compute_tiled_targets(
    extractor: TiledExtractor,
    content: Tensor,
    style: Tensor | Sequence[Manner],
    terms: Terms,
    remember: Remember = compute_anew,
) -> Targets:
    """What `core.objective.compute_targets` computes, wherever `content` lies, however large it and the styles are.

    Where several processes share the tiles, each has the content's features in its own tiles alone: no other compares
    anything with them.
    """
    height, width = content.shape[2:]
    features: dict[str, Tensor] = {}
    for tile in extractor.tiles(content):
        here = extractor.features(extractor.read(content, tile), tile)
        for tap in terms.content:
            stride = extractor.tiling.strides[tap]
            if tap not in features:
                features[tap] = content.new_empty(1, here[tap].shape[1], height // stride, width // stride)
            features[tap][(..., *tile.placed(stride))] = here[tap].to(content.device)
    sizes = {
        tap: (height // extractor.tiling.strides[tap], width // extractor.tiling.strides[tap]) for tap in terms.style
    }
    style_terms = terms.without_content()

    def measure_picture(picture: Tensor) -> Measures:
        return _measure(extractor, picture, {}, WHOLE, style_terms)

    return style_targets(features, style, sizes, terms, partial(remember, terms=terms, measure=measure_picture))


class TiledObjective:
    """The objective on a picture of any size, by tiles.

    The loss depends on the features through their measures alone, each a mean over the positions. The first pass
    adds up the measures of the tiles. From their totals come the loss and its gradient with respect to them: a number
    for each content layer, a small matrix for each style layer. With that, the second pass carries every tile's
    share back to the pixels, those of its halo included; what `kept_tiles` of them computed in the first pass is kept
    for it, which spares a third of their work. Total variation needs no tiles. Processes that share the tiles add up
    their measures after the first pass, and their gradients after the second.
    """

    def __init__(self, extractor: TiledExtractor, targets: Targets, terms: Terms, kept_tiles: int = 0) -> None:
        """`targets` are those of the whole picture."""
        self._extractor, self._targets, self._terms, self._kept_tiles = extractor, targets, terms, kept_tiles

    def __call__(self, image: Tensor) -> Evaluation:
        """Evaluate at `image`, (1, 3, H, W) RGB in [0, 1], H and W those of the content."""
        ranks, image = self._extractor.ranks, image.detach()
        ranks.require_same_picture(image)
        tiles = self._extractor.tiles(image)
        kept = {tile: self._share(image, tile) for tile in tiles[: self._kept_tiles]}
        with torch.no_grad():
            shares = (kept[tile] if tile in kept else self._share(image, tile) for tile in tiles)
            measures = _add_up((share for _, share in shares), ranks, image.device)
        parts, pulls, gradient = self._weigh(measures, image)
        if not ranks.first:
            gradient.zero_()  # the smoothness counts once
        for tile in tiles:
            pixels, share = kept.pop(tile) if tile in kept else self._share(image, tile)
            surrogate = torch.stack([(pulls[key] * value).sum() for key, value in share.items()]).sum()
            (pulled,) = torch.autograd.grad(surrogate, pixels)
            gradient[(..., *tile.read)] += pulled.to(gradient.device)
        ranks.add(gradient)
        return as_evaluation(parts, gradient)

    def _weigh(self, measures: Measures, image: Tensor) -> tuple[dict[str, Tensor], Measures, Tensor]:
        """The parts of the loss, and its gradients with respect to the measures and to the image beside them."""
        image = image.detach().requires_grad_(True)
        measures = {key: value.requires_grad_(True) for key, value in measures.items()}
        parts = weigh(measures, image, self._targets.styles, self._terms)
        *pulls, gradient = torch.autograd.grad(sum_of(parts), [*measures.values(), image], materialize_grads=True)
        device = self._extractor.device
        return parts, {key: pull.to(device) for key, pull in zip(measures, pulls, strict=True)}, gradient

    def _share(self, image: Tensor, tile: Tile) -> tuple[Tensor, Measures]:
        """The pixels (1, 3, h, w) that the tile reads, and its share of the measures, which autograd follows back."""
        pixels = self._extractor.read(image, tile).requires_grad_(torch.is_grad_enabled())
        return pixels, _share(self._extractor, pixels, tile, self._targets.content, self._targets.regions, self._terms)


@torch.no_grad()
def _measure(
    extractor: TiledExtractor,
    image: Tensor,
    content: Mapping[str, Tensor],
    regions: Sequence[Region],
    terms: Terms,
) -> Measures:
    """The measures of a whole picture, where it lies."""
    shares = (
        _share(extractor, extractor.read(image, tile), tile, content, regions, terms) for tile in extractor.tiles(image)
    )
    return _add_up(shares, extractor.ranks, image.device)


def _add_up(shares: Iterable[Measures], ranks: Ranks, device: torch.device) -> Measures:
    """The measures of a whole picture, on `device`, from what its tiles add to them, those of other processes too."""
    totals: Measures = {}
    for share in shares:
        for key, value in share.items():
            totals[key] = totals.get(key, 0) + value.detach()
    return ranks.sums({key: total.to(device) for key, total in totals.items()})


def _share(
    extractor: TiledExtractor,
    pixels: Tensor,
    tile: Tile,
    content: Mapping[str, Tensor],
    regions: Sequence[Region],
    terms: Terms,
) -> Measures:
    """What a tile adds to the measures of the whole picture, from the `pixels` (1, 3, h, w) that it reads."""
    features = extractor.features(pixels, tile)
    here = measure(features, extractor.at(content, tile), extractor.regions_at(regions, tile), terms)
    return {key: tile.share(extractor.tiling.strides[key[1]]) * value for key, value in here.items()}
