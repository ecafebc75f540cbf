"""What an image is compared with: features of the content image, and statistics of the style images."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from core.config.style_losses import style_loss_spec
from core.distributed import ProcessGroup
from core.errors import UsageError
from core.memory.tiling import Tile
from core.objective.evaluate import LossTerms
from core.objective.style_cache import StyleStatisticsCache
from core.objective.style_loss import TargetContext
from core.objective.tiled_extractor import TiledFeatureExtractor
from core.objective.types import WHOLE, FeatureStatistics, Region, StyleTarget, Targets
from core.objective.weights import LossWeights
from core.styles import StyleExemplar


@torch.no_grad()
def compute_targets(
    extractor: TiledFeatureExtractor,
    content: Tensor,
    exemplars: Sequence[StyleExemplar],
    weights: LossWeights,
    *,
    image: Tensor | None = None,
    cache: StyleStatisticsCache | None = None,
) -> Targets:
    """Compute the targets of one scale.

    The weights of styles that apply to the whole image are divided by their sum. The mask of a region is normalised to
    mean 1, so the weight of its style is multiplied by the mean of the mask (the fraction of the area): the gradient at
    a pixel then does not depend on the size of the region.

    Args:
        extractor: Computes the features, in tiles.
        content: The content image (1, 3, H, W), RGB in [0, 1].
        exemplars: The styles, their images (1, 3, h, w) of any size, their masks (1, 1, H, W).
        weights: The layers to compare, and the style loss.
        image: The image (1, 3, H, W) that the optimisation starts from, for style losses with `position_targets`.
        cache: Where to look up, and store, the statistics of style images.

    Raises:
        UsageError: A region mask is empty at the size of a layer.
    """
    sizes, terms = extractor.sizes(content), LossTerms.of(weights)
    content_features = extractor.of_image(content, list(weights.content))
    contexts = _contexts(extractor, content, image, weights)
    total = sum(exemplar.weight for exemplar in exemplars if exemplar.mask is None)
    regions: list[Region] = [None] if total else []
    styles = []
    for exemplar in exemplars:
        statistics = [_style_statistics(extractor, style, terms, cache) for style in exemplar.images]
        areas = [style.shape[2] * style.shape[3] for style in exemplar.images]
        targets = {
            tap: terms.style_loss.target([one["style", tap, 0] for one in statistics], areas, contexts[tap])
            for tap in weights.style
        }
        if exemplar.mask is None:
            styles.append(StyleTarget(targets, exemplar.weight / total))
        else:
            styles.append(StyleTarget(targets, exemplar.weight * float(exemplar.mask.mean()), len(regions)))
            regions.append({tap: _resized_mask(exemplar.mask, sizes[tap]) for tap in weights.style})
    return Targets(content_features, tuple(styles), tuple(regions))


def sum_statistics(
    contributions: Iterable[FeatureStatistics], group: ProcessGroup, device: torch.device
) -> FeatureStatistics:
    """Return the statistics of a whole image on `device`: the sum of the contributions of the tiles of all ranks."""
    totals: FeatureStatistics = {}
    for contribution in contributions:
        for key, value in contribution.items():
            totals[key] = totals[key] + value if key in totals else value
    return group.all_reduce_sums({key: total.to(device) for key, total in totals.items()})


def tile_statistics(
    extractor: TiledFeatureExtractor,
    cropped: Mapping[str, Tensor],
    tile: Tile,
    content: Mapping[str, Tensor],
    regions: Sequence[Region],
    terms: LossTerms,
) -> FeatureStatistics:
    """Return the contribution of a tile to the statistics of the whole image.

    `cropped` are the features (1, C, h, w) of the tile without its halo; `content` and `regions` are those of the whole
    image.
    """
    statistics = terms.statistics(cropped, extractor.select(content, tile), extractor.select_regions(regions, tile))
    return {key: tile.share(extractor.tiling.strides[key[1]]) * value for key, value in statistics.items()}


def _style_statistics(
    extractor: TiledFeatureExtractor, style: Tensor, terms: LossTerms, cache: StyleStatisticsCache | None
) -> FeatureStatistics:
    """Return the statistics of a style image (1, 3, h, w)."""
    style_terms = replace(terms, weights=replace(terms.weights, content={}))

    def compute(style: Tensor) -> FeatureStatistics:
        contributions = (
            tile_statistics(extractor, extractor.of_tile(style, tile), tile, {}, WHOLE, style_terms)
            for tile in extractor.tiles(style)
        )
        return sum_statistics(contributions, extractor.group, style.device)

    return cache.get(style, terms.weights, compute) if cache else compute(style)


def _contexts(
    extractor: TiledFeatureExtractor, content: Tensor, image: Tensor | None, weights: LossWeights
) -> dict[str, TargetContext]:
    """Return the contexts by tap, with features only for style losses with `position_targets`."""
    taps = list(weights.style)
    if not style_loss_spec(weights.style_loss).position_targets:
        return dict.fromkeys(taps, TargetContext())
    of_content = extractor.of_image(content, taps)
    of_image = of_content if image is None else extractor.of_image(image, taps)
    return {tap: TargetContext(of_content[tap], of_image[tap]) for tap in taps}


def _resized_mask(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the mask (1, 1, H, W) averaged over areas to the size of features, with mean 1."""
    small = interpolate(mask, size=size, mode="area")
    if not float(small.max()) > 1 / 255:
        raise UsageError("a region mask is too small or too dark for the deepest layer: enlarge or brighten its region")
    return small / small.mean()
