"""What a picture is judged by: its content against one picture, its style against another, its smoothness.

L = Σ a_l content_l + Σ b_l style_l + c TV, after equation 7 of Gatys et al. (arXiv 1508.06576).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from core.errors import UsageError
from core.network.vjp import Features
from core.objective.losses import (
    content_backward,
    content_loss,
    gram,
    gram_backward,
    moments,
    moments_backward,
    projections,
    projections_backward,
    sliced_wasserstein_loss,
    style_loss,
    total_variation,
    wasserstein_loss,
    wasserstein_target,
)
from core.objective.weights import LossWeights
from core.optim.types import Evaluation
from core.styles import StyleExemplar

Measures = dict[tuple[str, str, int], Tensor]
"""All the loss knows of features, by ("content" or "style", tap, region): content losses (), statistics of the style.

Statistics are Gram matrices (1, C, C) or `core.objective.losses.moments` (1, C, C + 1). Each measure is a mean over the
positions: those of the parts of a picture, weighted by their shares of the positions, add up to those of the whole.
Only the `projections` (1, C, positions) of the sliced Wasserstein loss are no means, and need the whole picture.
"""

Region = Mapping[str, Tensor] | None
"""Where a style is wanted: masks (1, 1, h, w) of mean 1 by tap; None for everywhere."""

WHOLE: tuple[Region, ...] = (None,)


@dataclass(frozen=True)
class StyleTarget:
    """What the style of one region is compared with, by tap, and how much that counts.

    Gram matrices (1, C, C), what `core.objective.losses.wasserstein_target` makes of moments (1, C, C + 1), or sorted
    projections. `region` is its place among the regions of the targets.
    """

    statistics: Mapping[str, Tensor]
    weight: float = 1.0
    region: int = 0


@dataclass(frozen=True)
class Targets:
    """What the painting is compared with, computed once per scale: features (1, C, h, w) of the content, and styles."""

    content: Mapping[str, Tensor]
    styles: tuple[StyleTarget, ...]
    regions: tuple[Region, ...] = WHOLE


MeasurePicture = Callable[[Tensor], Measures]
"""From a picture of a style, (1, 3, h, w), to its measures."""


class Remember(Protocol):
    """Measures a picture of a style for these terms, or knows what that gave."""

    def __call__(self, picture: Tensor, terms: LossWeights, measure: MeasurePicture) -> Measures:
        """The measures of `picture`, (1, 3, h, w), as `measure` finds them."""
        ...


def compute_anew(picture: Tensor, terms: LossWeights, measure: MeasurePicture) -> Measures:
    """Remembers nothing."""
    return measure(picture)


@torch.no_grad()
def compute_targets(
    extractor: Features,
    content: Tensor,
    style: Tensor | Sequence[StyleExemplar],
    terms: LossWeights,
    remember: Remember = compute_anew,
) -> Targets:
    """The features of the content, (1, 3, H, W) RGB in [0, 1], and the statistics of the styles, of any sizes.

    Raises:
        UsageError: A region is too small for a layer to see.
    """
    features = extractor(content)
    sizes = {tap: features[tap].shape[2:] for tap in terms.style}
    targets = {tap: features[tap] for tap in terms.content}
    del features
    style_terms = terms.without_content()

    def measure_picture(picture: Tensor) -> Measures:
        return measure(extractor(picture), {}, WHOLE, style_terms)

    return style_targets(targets, style, sizes, terms, partial(remember, terms=terms, measure=measure_picture))


def style_targets(
    content: Mapping[str, Tensor],
    style: Tensor | Sequence[StyleExemplar],
    sizes: Mapping[str, Sequence[int]],
    terms: LossWeights,
    measure_picture: MeasurePicture,
) -> Targets:
    """The targets with these features of the content, and the styles as `measure_picture` finds them.

    `sizes` are height and width of the painting's features, by tap. Of styles over the whole picture the weights are
    divided by their sum. One of a region weighs by its area, so that it pulls at a pixel there as it would anywhere.

    Raises:
        UsageError: A region is too small for a layer to see.
    """
    exemplars = (StyleExemplar((style,)),) if isinstance(style, Tensor) else tuple(style)
    everywhere = sum(exemplar.weight for exemplar in exemplars if exemplar.mask is None)
    regions: list[Region] = [None] if everywhere else []
    styles = []
    for exemplar in exemplars:
        found = _pooled([measure_picture(picture) for picture in exemplar.images], exemplar.images, terms)
        if exemplar.mask is None:
            styles.append(StyleTarget(found, exemplar.weight / everywhere))
        else:
            styles.append(StyleTarget(found, exemplar.weight * float(exemplar.mask.mean()), len(regions)))
            regions.append({tap: _mask_at(exemplar.mask, size) for tap, size in sizes.items()})
    return Targets(content, tuple(styles), tuple(regions))


def _pooled(found: Sequence[Measures], pictures: Sequence[Tensor], terms: LossWeights) -> dict[str, Tensor]:
    """The targets by tap of pictures that count as one style, by area."""
    areas = [picture.shape[2] * picture.shape[3] for picture in pictures]
    targets = {}
    for tap in terms.style:
        statistics = [measures["style", tap, 0] for measures in found]
        if terms.style_loss == "sliced-wasserstein":
            targets[tap] = torch.cat(statistics, 2).sort(2).values
            continue
        mean = torch.stack([area / sum(areas) * one for area, one in zip(areas, statistics, strict=True)]).sum(0)
        targets[tap] = mean if terms.style_loss == "gram" else wasserstein_target(mean)
    return targets


def _mask_at(mask: Tensor, size: Sequence[int]) -> Tensor:
    """The mask at the size of features, by area, with a mean of 1."""
    small = interpolate(mask, size=tuple(size), mode="area")
    if not float(small.max()) > 1 / 255:
        raise UsageError(
            "a region is too small or too dark for the deepest layer to see it: make it larger or brighter"
        )
    return small / small.mean()


def measure(
    features: Mapping[str, Tensor], content: Mapping[str, Tensor], regions: Sequence[Region], terms: LossWeights
) -> Measures:
    """The measures of features (1, C, h, w) by tap, whose `content` targets and `regions` have the same size."""
    statistic = {"gram": gram, "wasserstein": moments, "sliced-wasserstein": projections}[terms.style_loss]
    measures = {("content", tap, 0): content_loss(features[tap], content[tap]) for tap in terms.content}
    for number, region in enumerate(regions):
        for tap in terms.style:
            measures["style", tap, number] = statistic(features[tap], None if region is None else region[tap])
    return measures


def add_pulls(
    gradient: Tensor,
    features: Tensor,
    tap: str,
    pulls: Measures,
    content: Mapping[str, Tensor],
    regions: Sequence[Region],
    terms: LossWeights,
) -> None:
    """The way back through `measure` at one tap: from the gradients of the measures, `pulls`, to that of features.

    It is added to the `gradient` of these `features`, both (1, C, h, w).
    """
    add_pull = {
        "gram": gram_backward,
        "wasserstein": moments_backward,
        "sliced-wasserstein": projections_backward,
    }[terms.style_loss]
    if tap in terms.content:
        content_backward(gradient, features, pulls["content", tap, 0], content[tap])
    if tap in terms.style:
        for number, region in enumerate(regions):
            add_pull(gradient, features, pulls["style", tap, number], None if region is None else region[tap])


def weigh(measures: Measures, image: Tensor, styles: Sequence[StyleTarget], terms: LossWeights) -> dict[str, Tensor]:
    """The weighted terms, named content, style and tv; their sum is the loss. LossWeights without weight are left out.

    `measures` are those of `image`, (1, 3, H, W) RGB in [0, 1].
    """
    distance = {
        "gram": style_loss,
        "wasserstein": wasserstein_loss,
        "sliced-wasserstein": sliced_wasserstein_loss,
    }[terms.style_loss]
    parts = {
        "content": [weight * measures["content", tap, 0] for tap, weight in terms.content.items()],
        "style": [
            style.weight * weight * distance(measures["style", tap, style.region], style.statistics[tap])
            for style in styles
            for tap, weight in terms.style.items()
        ],
        "tv": [terms.tv * total_variation(image)] if terms.tv else [],
    }
    return {name: torch.stack(values).sum() for name, values in parts.items() if values}


def sum_of(parts: Mapping[str, Tensor]) -> Tensor:
    """The loss."""
    return torch.stack(list(parts.values())).sum()


def as_evaluation(parts: Mapping[str, Tensor], gradient: Tensor) -> Evaluation:
    """The parts of a loss and its gradient, as an optimiser takes them."""
    # One transfer for all the numbers: on CUDA each one waits for the device.
    total, *values = torch.stack([sum_of(parts), *parts.values()]).tolist()
    return Evaluation(total, gradient, dict(zip(parts, values, strict=True)))


class ReferenceObjective:
    """The objective by PyTorch's autograd, on the whole picture at once."""

    def __init__(self, extractor: Features, targets: Targets, terms: LossWeights) -> None:
        self._extractor, self._targets, self._terms = extractor, targets, terms

    def __call__(self, image: Tensor) -> Evaluation:
        """Evaluate at `image`, (1, 3, H, W) RGB in [0, 1], H and W those of the content."""
        image = image.detach().requires_grad_(True)
        parts = self.parts(image)
        (gradient,) = torch.autograd.grad(sum_of(parts), image)
        return as_evaluation(parts, gradient)

    def parts(self, image: Tensor) -> dict[str, Tensor]:
        """The weighted terms, named content, style and tv; their sum is the loss. LossWeights without weight are left out."""
        targets = self._targets
        measures = measure(self._extractor(image), targets.content, targets.regions, self._terms)
        return weigh(measures, image, targets.styles, self._terms)
