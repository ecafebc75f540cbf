"""A style loss that compares the means and covariances of the features.

Kolkin et al., Style Transfer by Relaxed Optimal Transport and Self-Similarity (arXiv 1904.12785), add such a loss to a
transport distance. Here each difference is divided by the size of the moments of the style images.
"""

import torch
from torch import Tensor

from core.objective.gram import gram, gram_backward
from core.objective.reductions import as_float32, mean_square
from core.objective.style_loss import StyleLoss
from core.objective.variance_floor import variance_floor


class MomentBasedLoss(StyleLoss):
    """A loss whose statistic is the `moments` (1, C, C + 1) of the features of a layer."""

    def statistic(self, features: Tensor, mask: Tensor | None = None, target: Tensor | None = None) -> Tensor:
        """Return the moments (1, C, C + 1) of features (1, C, H, W)."""
        return moments(features, mask)

    def backward(
        self,
        grad: Tensor,
        features: Tensor,
        grad_statistic: Tensor,
        mask: Tensor | None = None,
        target: Tensor | None = None,
    ) -> None:
        """Accumulate dL/dfeatures into `grad` (1, C, H, W), given dL/dmoments (1, C, C + 1)."""
        gram_backward(grad, features, grad_statistic[..., :-1], mask)
        grad_means = grad_statistic[..., -1, None, None] / features[0, 0].numel()
        grad += grad_means if mask is None else grad_means * mask


class MomentsLoss(MomentBasedLoss):
    """Squared differences of means and of covariances, relative to the variance and the covariances of the style.

    With the means m, m' and the covariances S, S' of the features of the image and of the style images:
    |m - m'|² / tr S' + |S - S'|² / |S'|². The loss does not depend on the scale of the features, so that the weights of
    the layers have the same effect in every style. The terms of a Gram loss differ by factors of a thousand
    between layers, and differences of the means make up most of it.
    """

    def loss(self, statistic: Tensor, target: Tensor) -> Tensor:
        """Return the relative difference of two moments (1, C, C + 1)."""
        (mean, covariance), (target_mean, target_covariance) = map(mean_and_covariance, (statistic, target))
        floor = variance_floor(_mean_diagonal(target[..., :-1]))
        variance = torch.maximum(_mean_diagonal(target_covariance), floor)
        square = torch.maximum(mean_square(target_covariance), floor.square())
        return mean_square(mean - target_mean) / variance + mean_square(covariance - target_covariance) / square


def moments(features: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the first and second moments (N, C, C + 1) of features (N, C, H, W).

    They are the Gram matrix, and the means of the channels as a last column. Unlike a covariance, both are means over
    the positions: the moments of tiles add up to the moments of the whole image. `mask` has the same meaning as for
    `gram`.
    """
    means = (as_float32(features) if mask is None else as_float32(features) * mask).mean((2, 3))
    return torch.cat([gram(features, mask), means.unsqueeze(2)], 2)


def mean_and_covariance(moments: Tensor) -> tuple[Tensor, Tensor]:
    """Return means (N, C) and covariances (N, C, C) from `moments` (N, C, C + 1)."""
    products, mean = moments[..., :-1], moments[..., -1]
    return mean, products - mean.unsqueeze(2) * mean.unsqueeze(1)


def _mean_diagonal(matrices: Tensor) -> Tensor:
    return torch.diagonal(matrices, dim1=-2, dim2=-1).mean()
