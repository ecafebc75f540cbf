"""A style loss after Vaccaro: the Wasserstein distance of normal distributions fitted to the features.

See https://github.com/VinceMarron/style_transfer.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from core.objective.gram import gram, gram_backward
from core.objective.reductions import as_float32
from core.objective.style_loss import StyleLoss, mean_over_images


class WassersteinLoss(StyleLoss):
    """Squared 2-Wasserstein distance between normal distributions, divided by the number of channels.

    With the means m, m' and the covariances S, S' of the features of the image and of the style images:
    |m - m'|² + tr(S + S' - 2 (S'^½ S S'^½)^½). The statistic of a layer is `moments` (1, C, C + 1).
    """

    def statistic(self, features: Tensor, mask: Tensor | None = None, target: Tensor | None = None) -> Tensor:
        """Return the moments (1, C, C + 1) of features (1, C, H, W)."""
        return moments(features, mask)

    def target(self, statistics: Sequence[Tensor], areas: Sequence[int]) -> Tensor:
        """Return the square root of the covariance with the means as a last column: float64, (1, C, C + 1).

        In float32 the rounding errors of the large eigenvalues would exceed the small eigenvalues, and the gradient
        would lose three digits.
        """
        mean_moments = mean_over_images(statistics, areas)
        # Apple's MPS has neither float64 nor eigenvalues.
        device = "cpu" if mean_moments.is_mps else mean_moments.device
        mean, covariance = _mean_and_covariance(mean_moments.to(device, torch.float64))
        values, vectors = torch.linalg.eigh(covariance)
        root = (vectors * values.clamp_min(0).sqrt().unsqueeze(-2)) @ vectors.mT
        return torch.cat([root, mean.unsqueeze(2)], 2)

    def loss(self, statistic: Tensor, target: Tensor) -> Tensor:
        """Return the distance of moments (1, C, C + 1) from a target."""
        mean, covariance = _mean_and_covariance(statistic.to(target))
        root, target_mean = target[..., :-1], target[..., -1]
        overlap = torch.linalg.eigvalsh(_regularized(root @ covariance @ root)).clamp_min(0).sqrt().sum(-1)
        traces = torch.diagonal(covariance + root @ root, dim1=-2, dim2=-1).sum(-1)
        distance = (mean - target_mean).square().sum(-1) + traces - 2 * overlap
        mean_distance: Tensor = distance.mean() / mean.shape[1]
        return mean_distance.to(statistic)

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


def moments(features: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the first and second moments (N, C, C + 1) of features (N, C, H, W).

    The Gram matrix with the means of the channels as a last column. Unlike a covariance, both are means over the
    positions, so that those of tiles add up to those of the whole image. `mask` has the same meaning as for `gram`.
    """
    means = (as_float32(features) if mask is None else as_float32(features) * mask).mean((2, 3))
    return torch.cat([gram(features, mask), means.unsqueeze(2)], 2)


def _mean_and_covariance(moments: Tensor) -> tuple[Tensor, Tensor]:
    """Return means (N, C) and covariances (N, C, C) from `moments` (N, C, C + 1)."""
    products, mean = moments[..., :-1], moments[..., -1]
    return mean, products - mean.unsqueeze(2) * mean.unsqueeze(1)


def _regularized(matrix: Tensor) -> Tensor:
    """Return `matrix` (N, C, C) symmetrized and shifted away from singularity, where the root has no gradient."""
    size = torch.diagonal(matrix, dim1=-2, dim2=-1).mean(-1)[:, None, None]
    identity = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    return (matrix + matrix.mT) / 2 + 1e-5 * size * identity
