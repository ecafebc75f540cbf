"""Style targets of an exported objective, from features that any runtime computes.

Only position targets need PyTorch.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from core.arrays import Pixels
from core.backends.target_parts import Parts, factors, joined, mean_and_spread, parts_of
from core.config.exported_losses import exported_style_losses, exported_target
from core.config.style_losses import load_reference
from core.errors import UsageError
from core.network.architecture import stride_of
from core.objective.masks import check_not_empty
from core.styles import StyleExemplar

Features = NDArray[np.float32]
ExtractFeatures = Callable[[Pixels], Mapping[str, Features]]
"""Returns the features (1, C, h, w) of an image (1, 3, H, W), RGB in [0, 1], by tap."""

LayerFeatures = Mapping[str, Features]


@dataclass(frozen=True)
class StyleTargets:
    """One target for each of R regions: the whole image, if a style applies to it, and the mask of each other style.

    Attributes:
        targets: By tap, (R, ...): Gram matrices (C, C), covariances and means (C, C + 1), or features (C, h, w).
        masks: By tap, (R, 1, h, w), with mean 1 in every region.
        weights: (R,), which multiply the style weights.
        spreads: By tap, by how much the losses of the styles of the whole image exceed that of their common target.
        factors: By tap, (R, 2), which multiply the style weights of covariances and means; empty for other losses.
    """

    targets: Mapping[str, Features]
    masks: Mapping[str, Features]
    weights: Features
    spreads: Mapping[str, float]
    factors: Mapping[str, Features] = field(default_factory=dict)

    @classmethod
    def of_regions(
        cls,
        targets: Mapping[str, Sequence[Parts]],
        masks: Mapping[str, Sequence[Features]],
        weights: Sequence[float],
        spreads: Mapping[str, float],
    ) -> Self:
        """Return the targets of regions from the target, the mask (1, 1, h, w) and the weight of each."""
        return cls(
            {tap: np.concatenate([joined(parts) for parts in regions]) for tap, regions in targets.items()},
            {tap: np.concatenate(regions) for tap, regions in masks.items()},
            np.array(weights, np.float32),
            spreads,
            {
                tap: np.stack([factors(parts) for parts in regions])
                for tap, regions in targets.items()
                if len(regions[0]) > 1
            },
        )


def style_targets(
    style_loss: str,
    taps: Sequence[str],
    exemplars: Sequence[StyleExemplar],
    extract_features: ExtractFeatures,
    content: Pixels,
    image: Pixels,
    *,
    separate_layers: bool = False,
) -> StyleTargets:
    """Return the targets, with one for all styles of the whole image, which comes first.

    Every style loss that is exported is a sum over parts of f_s |x - t_s|², with a target t_s and a factor f_s of style
    s. With shares w_s of the styles that add up to 1, f = Σ w_s f_s and the mean target t = Σ w_s f_s t_s / f:
    Σ w_s f_s |x - t_s|² = f |x - t|² + Σ w_s f_s |t - t_s|².

    The weight of a style with a mask is multiplied by the mean of the mask, as in `core.objective.targets`.

    Args:
        style_loss: Name of the style loss.
        taps: Layers of the style loss.
        exemplars: The styles.
        extract_features: Computes features.
        content: The content image (1, 3, H, W), RGB in [0, 1].
        image: The image (1, 3, H, W) that the optimisation starts from.
        separate_layers: Whether each layer finds its position targets by itself.

    Raises:
        UsageError: A mask is empty, the style loss cannot be exported, or it needs PyTorch, which is not installed.
    """
    statistic = exported_target(style_loss).statistic
    if statistic is None:
        initial = extract_features(image)
        compared = initial if separate_layers else extract_features(content)
        found = [
            _position_targets(
                style_loss, taps, one, extract_features, compared, initial, separate_layers=separate_layers
            )
            for one in exemplars
        ]
    else:
        compute = load_reference(statistic)
        found = [_mean_statistics(compute, taps, one, extract_features) for one in exemplars]
    styles = [{tap: parts_of(style_loss, target) for tap, target in targets.items()} for targets in found]
    pairs = [*zip(exemplars, styles, strict=True)]
    regions: list[tuple[Mapping[str, Parts], float, Features | None]] = []
    spreads: Mapping[str, float] = {}
    if whole := [(exemplar.weight, style) for exemplar, style in pairs if exemplar.mask is None]:
        common, spreads = _common_target(taps, whole)
        regions.append((common, 1.0, None))
    for exemplar, style in pairs:
        if exemplar.mask is not None:
            regions.append((style, exemplar.weight * float(exemplar.mask.mean()), exemplar.mask))
    masks = {}
    for tap in taps:
        size = content.shape[2] // stride_of(tap), content.shape[3] // stride_of(tap)
        masks[tap] = [whole_mask(size) if mask is None else resized_mask(mask, size, "region") for *_, mask in regions]
    targets = {tap: [target[tap] for target, _, _ in regions] for tap in taps}
    return StyleTargets.of_regions(targets, masks, [weight for _, weight, _ in regions], spreads)


def gram(features: Features, mask: Features | None = None) -> Features:
    """Return the Gram matrix (1, C, C) of features (1, C, h, w): `core.objective.gram.gram` in NumPy.

    A `mask` (1, 1, h, w) with mean 1 weights every position.
    """
    flat = features.reshape(*features.shape[:2], -1)
    weighted: Features = flat if mask is None else flat * mask.reshape(1, 1, -1)
    product: Features = weighted @ flat.transpose(0, 2, 1) / np.float32(flat.shape[2])
    return product


def moments(features: Features, mask: Features | None = None) -> Features:
    """Return the moments (1, C, C + 1) of features (1, C, h, w): `core.objective.moments.moments` in NumPy."""
    means = (features if mask is None else features * mask).mean((2, 3))
    return np.concatenate([gram(features, mask), means[..., None]], 2)


def resized_mask(mask: Features, size: tuple[int, int], kind: str) -> Features:
    """Return a mask (1, 1, H, W) averaged over areas to the height and width of features, with mean 1.

    Raises:
        UsageError: It is empty at this size; `kind`, "region" or "style", names the mask in the message.
    """
    for axis, count in zip((2, 3), size, strict=True):
        length, positions = mask.shape[axis], np.arange(count)
        starts, ends = positions * length // count, -(-(positions + 1) * length // count)
        areas = [mask.take(range(*area), axis) for area in zip(starts, ends, strict=True)]
        mask = np.stack([area.mean(axis) for area in areas], axis).astype(np.float32)
    check_not_empty(float(mask.max()), kind)
    normalized: Features = mask / mask.mean()
    return normalized


def whole_mask(size: tuple[int, int]) -> Features:
    """Return the mask (1, 1, h, w) of the whole image at the height and width of features."""
    return np.ones((1, 1, *size), np.float32)


def _mean_statistics(
    statistic: Callable[[Features, Features | None], Features],
    taps: Sequence[str],
    exemplar: StyleExemplar,
    extract_features: ExtractFeatures,
) -> LayerFeatures:
    """Return the mean statistics of the images of a style by tap, weighted by their areas."""
    areas = [pixels.shape[2] * pixels.shape[3] for pixels in exemplar.images]
    means: dict[str, Features] = {}
    for area, pixels in zip(areas, exemplar.images, strict=True):
        features = extract_features(pixels)
        for tap in taps:
            mask = exemplar.style_mask
            small = None if mask is None else resized_mask(mask, features[tap].shape[2:], "style")
            share = np.float32(area / sum(areas))
            means[tap] = means.get(tap, np.float32(0)) + share * statistic(features[tap], small)
    return means


def _position_targets(
    style_loss: str,
    taps: Sequence[str],
    exemplar: StyleExemplar,
    extract_features: ExtractFeatures,
    content: LayerFeatures,
    image: LayerFeatures,
    *,
    separate_layers: bool,
) -> LayerFeatures:
    """Return the targets (1, C, h, w) of all positions by tap."""
    try:
        import torch

        from core.objective.style_loss import load_style_loss
    except ImportError as error:
        without_pytorch = exported_style_losses("painter")
        raise UsageError(
            f"the targets of the style loss {style_loss} need PyTorch, which is not installed: "
            f"pip install torch, or use an objective with the style loss {' or '.join(without_pytorch)}"
        ) from error

    def tensors(features: LayerFeatures) -> dict[str, torch.Tensor]:
        return {tap: torch.from_numpy(features[tap]) for tap in taps}

    styles = [tensors(extract_features(pixels)) for pixels in exemplar.images]
    mask = None if exemplar.style_mask is None else torch.from_numpy(exemplar.style_mask)
    with torch.no_grad():
        targets = load_style_loss(style_loss).position_targets(
            styles, tensors(content), tensors(image), mask, separate_layers=separate_layers
        )
    return {tap: target.numpy() for tap, target in targets.items()}


def _common_target(
    taps: Sequence[str], styles: Sequence[tuple[float, Mapping[str, Parts]]]
) -> tuple[dict[str, Parts], dict[str, float]]:
    """Return the common target of styles with their weights, and the spread of their targets around it, by tap."""
    total = sum(weight for weight, _ in styles)
    shares = [weight / total for weight, _ in styles]
    common: dict[str, Parts] = {}
    spreads: dict[str, float] = {}
    for tap in taps:
        of_parts = [mean_and_spread(parts, shares) for parts in zip(*(style[tap] for _, style in styles), strict=True)]
        common[tap] = [mean for mean, _ in of_parts]
        spreads[tap] = sum(spread for _, spread in of_parts)
    return common, spreads
