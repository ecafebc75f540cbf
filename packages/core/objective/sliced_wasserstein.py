"""A style loss after Heitz et al., A Sliced Wasserstein Loss for Neural Texture Synthesis (arXiv 2006.07229)."""

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from core.objective.reductions import as_float32, flatten_positions, mean_square
from core.objective.style_loss import StyleLoss


class SlicedWassersteinLoss(StyleLoss):
    """Mean squared difference of sorted projections of the features.

    The statistic of a layer is `projections` (1, C, positions), and the target holds those of all style images,
    sorted. Sorting needs all positions at once, so the loss cannot be computed in tiles.
    """

    def statistic(self, features: Tensor, mask: Tensor | None = None, target: Tensor | None = None) -> Tensor:
        """Return the projections (1, C, positions) of features (1, C, H, W)."""
        return projections(features, mask)

    def target(self, statistics: Sequence[Tensor], areas: Sequence[int]) -> Tensor:
        """Return the sorted projections (1, C, positions) of all style images together."""
        return torch.cat(list(statistics), 2).sort(2).values

    def loss(self, statistic: Tensor, target: Tensor) -> Tensor:
        """Return the mean squared difference of projections (1, C, n), sorted here, and a sorted target (1, C, m).

        Where n differs from m, the quantiles of the target are interpolated.
        """
        if statistic.shape[2] != target.shape[2]:
            target = interpolate(target, size=statistic.shape[2], mode="linear", align_corners=True)
        return mean_square(statistic.sort(2).values - target)

    def backward(
        self,
        grad: Tensor,
        features: Tensor,
        grad_statistic: Tensor,
        mask: Tensor | None = None,
        target: Tensor | None = None,
    ) -> None:
        """Accumulate dL/dfeatures into `grad` (1, C, H, W), given dL/dprojections (1, C, positions)."""
        grad_features = directions(features.shape[1]).to(grad_statistic).T @ grad_statistic
        if mask is not None:
            selected = _selected_positions(mask)
            all_positions = grad_features.new_zeros(*grad_features.shape[:2], len(selected))
            all_positions[..., selected] = grad_features
            grad_features = all_positions
        grad += grad_features.reshape(grad.shape)


def projections(features: Tensor, mask: Tensor | None = None) -> Tensor:
    """Project features (1, C, H, W) onto C fixed directions: (1, C, positions).

    With a `mask` (1, 1, H, W) only positions where it is at least half of its maximum are used.
    """
    flat = as_float32(flatten_positions(features))
    if mask is not None:
        flat = flat[..., _selected_positions(mask)]
    return directions(flat.shape[1]).to(flat) @ flat


@cache
def directions(channels: int) -> Tensor:
    """Return a fixed orthonormal basis (C, C) of the space of the channels, in float64.

    Heitz et al. draw new directions for every evaluation, for stochastic gradient descent. L-BFGS needs an objective
    that stays the same, and a whole basis leaves no direction out.
    """
    generator = torch.Generator().manual_seed(channels)
    basis: Tensor = torch.linalg.qr(torch.randn(channels, channels, generator=generator, dtype=torch.float64))[0]
    return basis


def _selected_positions(mask: Tensor) -> Tensor:
    """Return which positions of a mask (1, 1, H, W) are used: bool, (positions)."""
    return (mask >= mask.max() / 2).flatten()
