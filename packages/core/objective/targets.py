"""What an image is compared with: features of the content image, and statistics of the style images."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from core.config.style_losses import style_loss_spec
from core.distributed import ProcessGroup
from core.memory.tiling import Tile
from core.objective.content import detail_mask
from core.objective.evaluate import LossTerms
from core.objective.masks import check_not_empty
from core.objective.style_cache import StyleStatisticsCache
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
    separate_layers: bool = False,
    cache: StyleStatisticsCache | None = None,
) -> Targets:
    """Compute the targets of one scale.

    The weights of styles that apply to the whole image are divided by their sum. The mask of a region is normalised to
    mean 1, so the weight of its style is multiplied by the mean of the mask (the fraction of the area): the gradient at
    a pixel then does not depend on the size of the region. Each mask makes a region of its own; with position targets,
    each style does.

    Args:
        extractor: Computes the features, in tiles.
        content: The content image (1, 3, H, W), RGB in [0, 1].
        exemplars: The styles, their images (1, 3, h, w) of any size, their masks (1, 1, H, W).
        weights: The layers to compare, and the style loss.
        image: The image (1, 3, H, W) that the optimisation starts from, for style losses with `position_targets`.
        separate_layers: Whether each layer finds its position targets by itself.
        cache: Where to look up, and store, the statistics of style images.

    Raises:
        UsageError: A region mask is empty at the size of a layer.
    """
    sizes, terms = extractor.sizes(content), LossTerms.of(weights)
    taps, per_position = list(weights.style), style_loss_spec(weights.style_loss).position_targets
    power = weights.content_detail
    content_features = extractor.of_image(content, list(weights.content), complete=power > 0)
    content_masks = {tap: detail_mask(features, power) for tap, features in content_features.items()} if power else None
    if per_position:
        initial = extractor.of_image(content if image is None else image, taps)
        compared = initial if image is None or separate_layers else extractor.of_image(content, taps)
    total = sum(exemplar.weight for exemplar in exemplars if exemplar.mask is None)
    regions = [*WHOLE] if total and not per_position else []
    styles = []
    for exemplar in exemplars:
        if per_position:
            of_styles = [extractor.of_image(style, taps) for style in exemplar.images]
            targets = terms.style_loss.position_targets(
                of_styles, compared, initial, exemplar.style_mask, separate_layers=separate_layers
            )
        else:
            targets = _targets_of_statistics(extractor, exemplar, terms, cache)
        mask = exemplar.mask
        weight = exemplar.weight / total if mask is None else exemplar.weight * float(mask.mean())
        if mask is None and not per_position:
            styles.append(StyleTarget(targets, weight))
        else:
            styles.append(StyleTarget(targets, weight, len(regions)))
            masks = None if mask is None else {tap: _resized_mask(mask, sizes[tap], "region") for tap in taps}
            regions.append(Region(masks, targets if per_position else None))
    return Targets(content_features, tuple(styles), tuple(regions), content_masks)


def add_statistics(totals: FeatureStatistics, contribution: FeatureStatistics) -> None:
    """Add the contribution of a tile to the sums over the tiles of this rank."""
    for key, value in contribution.items():
        totals[key] = totals[key] + value if key in totals else value


def reduce_statistics(totals: FeatureStatistics, group: ProcessGroup, device: torch.device) -> FeatureStatistics:
    """Return the statistics of a whole image on `device`: the totals of all ranks, added."""
    return group.all_reduce_sums({key: total.to(device) for key, total in totals.items()})


def tile_statistics(
    extractor: TiledFeatureExtractor,
    cropped: Mapping[str, Tensor],
    tile: Tile,
    content: Region,
    regions: Sequence[Region],
    terms: LossTerms,
) -> FeatureStatistics:
    """Return the contribution of a tile to the statistics of the whole image.

    `cropped` are the features (1, C, h, w) of the tile without its halo; `content` and `regions` are those of the whole
    image.
    """
    content, *regions = extractor.select_regions([content, *regions], tile)
    statistics = terms.statistics(cropped, content, regions)
    return {key: tile.fraction(extractor.tiling.strides[key[1]]) * value for key, value in statistics.items()}


def _targets_of_statistics(
    extractor: TiledFeatureExtractor, exemplar: StyleExemplar, terms: LossTerms, cache: StyleStatisticsCache | None
) -> Mapping[str, Tensor]:
    """Return the target by tap that the style loss makes of the statistics of the images of one style."""
    statistics = [_style_statistics(extractor, style, exemplar.style_mask, terms, cache) for style in exemplar.images]
    areas = [style.shape[2] * style.shape[3] for style in exemplar.images]
    return {
        tap: terms.style_loss.target([one["style", tap, 0] for one in statistics], areas) for tap in terms.weights.style
    }


def _style_statistics(
    extractor: TiledFeatureExtractor,
    style: Tensor,
    mask: Tensor | None,
    terms: LossTerms,
    cache: StyleStatisticsCache | None,
) -> FeatureStatistics:
    """Return the statistics of a style image (1, 3, h, w) with a style mask (1, 1, h, w)."""
    style_terms = replace(terms, weights=replace(terms.weights, content={}))
    regions = WHOLE
    if mask is not None:
        sizes = extractor.sizes(style)
        regions = (Region({tap: _resized_mask(mask, sizes[tap], "style") for tap in terms.weights.style}),)

    def compute() -> FeatureStatistics:
        totals = FeatureStatistics()
        for tile in extractor.tiles(style):
            features = extractor.of_tile(style, tile)
            add_statistics(totals, tile_statistics(extractor, features, tile, Region(), regions, style_terms))
            del features  # before the next tile computes its own
        return reduce_statistics(totals, extractor.group, style.device)

    return cache.get(style, mask, terms.weights, compute) if cache else compute()


def _resized_mask(mask: Tensor, size: tuple[int, int], kind: str) -> Tensor:
    """Return the mask (1, 1, H, W) averaged over areas to the size of features, with mean 1.

    Raises:
        UsageError: It is empty at this size; `kind` names the mask in the message.
    """
    small = interpolate(mask, size=size, mode="area")
    check_not_empty(float(small.max()), kind)
    return small / small.mean()
