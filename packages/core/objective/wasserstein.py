"""A style loss after Vaccaro: the Wasserstein distance of normal distributions fitted to the features.

See https://github.com/VinceMarron/style_transfer.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from core.objective.moments import MomentBasedLoss, mean_and_covariance


class WassersteinLoss(MomentBasedLoss):
    """Squared 2-Wasserstein distance between normal distributions, divided by the number of channels.

    With the means m, m' and the covariances S, S' of the features of the image and of the style images:
    |m - m'|² + tr(S + S' - 2 (S'^½ S S'^½)^½).
    """

    def target(self, statistics: Sequence[Tensor], areas: Sequence[int]) -> Tensor:
        """Return the square root of the covariance with the means as a last column: float64, (1, C, C + 1).

        In float32 the rounding errors of the large eigenvalues would exceed the small eigenvalues, and the gradient
        would lose three digits.
        """
        mean_moments = super().target(statistics, areas)
        # Apple's MPS has neither float64 nor eigenvalues.
        device = "cpu" if mean_moments.is_mps else mean_moments.device
        mean, covariance = mean_and_covariance(mean_moments.to(device, torch.float64))
        values, vectors = torch.linalg.eigh(covariance)
        root = (vectors * values.clamp_min(0).sqrt().unsqueeze(-2)) @ vectors.mT
        return torch.cat([root, mean.unsqueeze(2)], 2)

    def loss(self, statistic: Tensor, target: Tensor) -> Tensor:
        """Return the distance of moments (1, C, C + 1) from a target."""
        mean, covariance = mean_and_covariance(statistic.to(target))
        root, target_mean = target[..., :-1], target[..., -1]
        overlap = torch.linalg.eigvalsh(_regularized(root @ covariance @ root)).clamp_min(0).sqrt().sum(-1)
        traces = torch.diagonal(covariance + root @ root, dim1=-2, dim2=-1).sum(-1)
        distance = (mean - target_mean).square().sum(-1) + traces - 2 * overlap
        mean_distance: Tensor = distance.mean() / mean.shape[1]
        return mean_distance.to(statistic)


def _regularized(matrix: Tensor) -> Tensor:
    """Return `matrix` (N, C, C) symmetrized and shifted away from singularity, where the root has no gradient."""
    size = torch.diagonal(matrix, dim1=-2, dim2=-1).mean(-1)[:, None, None]
    identity = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    return (matrix + matrix.mT) / 2 + 1e-5 * size * identity
