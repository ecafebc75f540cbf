"""The loss of an image from its features: L = Σ_l a_l content_l + Σ_s w_s Σ_l b_l style_sl + c TV.

After equation 7 of Gatys et al. (arXiv 1508.06576), with weights a_l and b_l of layer l, and w_s of style s. The loss
depends on the features only through statistics, so that images can be evaluated in tiles: first the statistics, then
the loss and its gradient with respect to them, then the backward pass from the statistics to the features.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from core.objective.content import content_backward, content_loss
from core.objective.style_loss import StyleLoss, load_style_loss
from core.objective.total_variation import total_variation
from core.objective.types import FeatureStatistics, Region, StyleTarget
from core.objective.weights import LossWeights
from core.optim.types import Evaluation


@dataclass(frozen=True)
class LossTerms:
    """The terms of the loss with their weights."""

    weights: LossWeights
    style_loss: StyleLoss

    @classmethod
    def of(cls, weights: LossWeights) -> Self:
        """Return the terms for these weights."""
        return cls(weights, load_style_loss(weights.style_loss))

    def at_step(self, step: int) -> Self:
        """Return the terms for the evaluation number `step`, counted from 1; they differ only for stochastic losses."""
        return replace(self, style_loss=self.style_loss.at_step(step))

    def statistics(
        self, features: Mapping[str, Tensor], content: Region, regions: Sequence[Region]
    ) -> FeatureStatistics:
        """Return the statistics of features (1, C, h, w) by tap.

        The masks and targets of the `content` and of the `regions` have the same height and width as the features.
        """
        statistics = {
            ("content", tap, 0): content_loss(features[tap], content.given_target(tap), content.mask(tap))
            for tap in self.weights.content
        }
        for index, region in enumerate(regions):
            for tap in self.weights.style:
                statistics["style", tap, index] = self.style_loss.statistic(
                    features[tap], region.mask(tap), region.target(tap)
                )
        return statistics

    def accumulate_grad(
        self,
        grad: Tensor,
        features: Tensor,
        tap: str,
        grad_statistics: FeatureStatistics,
        content: Region,
        regions: Sequence[Region],
    ) -> None:
        """Backward of `statistics` at one tap: accumulate dL/dfeatures into `grad`, given dL/dstatistics.

        `grad` and `features` are (1, C, h, w).
        """
        if tap in self.weights.content:
            target, mask = content.given_target(tap), content.mask(tap)
            content_backward(grad, features, grad_statistics["content", tap, 0], target, mask)
        if tap in self.weights.style:
            for index, region in enumerate(regions):
                grad_statistic = grad_statistics["style", tap, index]
                self.style_loss.backward(grad, features, grad_statistic, region.mask(tap), region.target(tap))

    def weighted_losses(
        self, statistics: FeatureStatistics, image: Tensor, styles: Sequence[StyleTarget]
    ) -> dict[str, Tensor]:
        """Return the weighted terms of the loss, named content, style and tv; terms without weight are left out.

        `statistics` are those of `image` (1, 3, H, W), RGB in [0, 1]. The sum of the terms is the loss.
        """
        weights = self.weights
        parts = {
            "content": [weight * statistics["content", tap, 0] for tap, weight in weights.content.items()],
            "style": [
                style.weight
                * weight
                * self.style_loss.loss(statistics["style", tap, style.region], style.statistics[tap])
                for style in styles
                for tap, weight in weights.style.items()
            ],
            "tv": [weights.tv * total_variation(image)] if weights.tv else [],
        }
        return {name: torch.stack(values).sum() for name, values in parts.items() if values}


def total_loss(parts: Mapping[str, Tensor]) -> Tensor:
    """Return the sum of the weighted terms."""
    return torch.stack(list(parts.values())).sum()


def as_evaluation(parts: Mapping[str, Tensor], gradient: Tensor) -> Evaluation:
    """Return the loss and its terms as floats, with the gradient."""
    # One transfer for all numbers: on CUDA every transfer waits for the device.
    loss, *values = torch.stack([total_loss(parts), *parts.values()]).tolist()
    return Evaluation(loss, gradient, dict(zip(parts, values, strict=True)))
