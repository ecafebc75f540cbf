"""The objective tile by tile: the same loss and gradient as on the whole picture, in the memory of one tile.

After Galerne et al., *Scaling Painting Style Transfer* (arXiv 2212.13459).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

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
        return {tap: features[tap][(..., *tile.owned(stride))] for tap, stride in self.tiling.strides.items()}

    def at(self, whole: Mapping[str, Tensor], tile: Tile) -> dict[str, Tensor]:
        """Of features of the whole picture by tap, those that the tile owns."""
        strides = self.tiling.strides
        return {tap: values[(..., *tile.placed(strides[tap]))].to(self.device) for tap, values in whole.items()}

    def regions_at(self, regions: Sequence[Region], tile: Tile) -> list[Region]:
        """Of the regions of the whole picture, what the tile owns."""
        return [None if region is None else self.at(region, tile) for region in regions]


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
    """The objective in two passes over the tiles of a picture.

    The loss depends on the features through their measures alone, each a mean over the positions. The first pass
    adds up the measures of the tiles. From their totals come the loss and its gradient with respect to them: a number
    for each content layer, a small matrix for each style layer. With that, the second pass carries every tile's
    share back to the pixels, those of its halo included. Total variation needs no tiles. Processes that share the tiles
    add up their measures after the first pass, and their gradients after the second.
    """

    def __init__(self, extractor: TiledExtractor, targets: Targets, terms: Terms) -> None:
        """`targets` lie where the pictures will."""
        self._extractor, self._targets, self._terms = extractor, targets, terms

    def __call__(self, image: Tensor) -> Evaluation:
        """Evaluate at `image`, (1, 3, H, W) RGB in [0, 1], H and W those of the content."""
        ranks = self._extractor.ranks
        ranks.require_same_picture(image)
        image = image.detach().requires_grad_(True)
        measures = _measure(self._extractor, image, self._targets.content, self._targets.regions, self._terms)
        measures = {key: value.requires_grad_(True) for key, value in measures.items()}
        parts = weigh(measures, image, self._targets.styles, self._terms)
        *pulls, gradient = torch.autograd.grad(sum_of(parts), [*measures.values(), image], materialize_grads=True)
        if not ranks.first:
            gradient.zero_()  # the smoothness counts once
        self._pull_back(image.detach(), dict(zip(measures, pulls, strict=True)), gradient)
        ranks.add(gradient)
        return as_evaluation(parts, gradient)

    def _pull_back(self, image: Tensor, pulls: Measures, gradient: Tensor) -> None:
        """Add to `gradient` what `pulls`, the gradient with respect to the measures, make of it at the pixels."""
        extractor = self._extractor
        pulls = {key: pull.to(extractor.device) for key, pull in pulls.items()}
        for tile in extractor.tiles(image):
            pixels = extractor.read(image, tile).requires_grad_(True)
            content = extractor.at(self._targets.content, tile)
            regions = extractor.regions_at(self._targets.regions, tile)
            measures = measure(extractor.features(pixels, tile), content, regions, self._terms)
            shares = {key: tile.share(extractor.tiling.strides[key[1]]) for key in measures}
            surrogate = torch.stack([shares[key] * (pulls[key] * value).sum() for key, value in measures.items()]).sum()
            (pulled,) = torch.autograd.grad(surrogate, pixels)
            gradient[(..., *tile.read)] += pulled.to(gradient.device)


@torch.no_grad()
def _measure(
    extractor: TiledExtractor,
    image: Tensor,
    content: Mapping[str, Tensor],
    regions: Sequence[Region],
    terms: Terms,
) -> Measures:
    """The measures of a whole picture, where it lies: its tiles', weighted by their shares of the positions.

    Those of the other processes included.
    """
    totals: Measures = {}
    for tile in extractor.tiles(image):
        features = extractor.features(extractor.read(image, tile), tile)
        here = measure(features, extractor.at(content, tile), extractor.regions_at(regions, tile), terms)
        for key, value in here.items():
            totals[key] = totals.get(key, 0) + tile.share(extractor.tiling.strides[key[1]]) * value
    return extractor.ranks.sums({key: total.to(image.device) for key, total in totals.items()})
