"""The sliced Wasserstein distance against transport in one dimension, and gradients against finite differences."""

from itertools import permutations

import pytest
import torch

from core.objective.moments import moments
from core.objective.sliced_wasserstein import SlicedWassersteinLoss, directions, projections
from support.style_losses import assert_backward_equals_autograd, assert_mask_weights_positions, backward_cases

SLICED = SlicedWassersteinLoss()


def test_sorted_projections_are_the_distance_of_the_distributions() -> None:
    """For one channel the only direction is the channel itself, and sorting solves the transport exactly."""
    found = torch.tensor([[3.0, 1.0, 2.0, 5.0]], dtype=torch.float64).reshape(1, 1, 2, 2)
    target = torch.tensor([[0.0, 2.0, 4.0, 6.0]], dtype=torch.float64).reshape(1, 1, 4)
    sign = float(directions(1))
    distance = SLICED.loss(sign * projections(found), target)
    costs = [((found.flatten()[list(order)] - target.flatten()) ** 2).mean() for order in permutations(range(4))]
    assert abs(sign) == 1
    assert float(distance) == pytest.approx(float(min(costs)))


def test_the_sliced_distance_separates_distributions_of_equal_mean_and_covariance() -> None:
    """Two distributions of the same mean and variance: two points, and three."""
    two = torch.tensor([-1.0, 1.0] * 8, dtype=torch.float64).reshape(1, 1, 4, 4)
    three = torch.tensor([-(2**0.5), 0.0, 0.0, 2**0.5] * 4, dtype=torch.float64).reshape(1, 1, 4, 4)
    assert torch.allclose(moments(two), moments(three))
    assert float(SLICED.loss(projections(two), projections(three).sort(2).values)) > 0.1


def test_the_gradient_of_the_sliced_distance() -> None:
    generator = torch.Generator().manual_seed(0)
    features, other = (torch.randn(1, 4, 5, 6, generator=generator, dtype=torch.float64) for _ in range(2))
    target = projections(other[..., :4]).sort(2).values
    assert torch.autograd.gradcheck(
        lambda values: SLICED.loss(projections(values), target), features.requires_grad_(True)
    )


@backward_cases
def test_backward_equals_autograd(masked: bool, part: tuple[slice, slice], layout: torch.memory_format) -> None:
    assert_backward_equals_autograd(SLICED, masked, part, layout)


def test_directions_are_a_fixed_orthonormal_basis() -> None:
    basis = directions(64)
    assert torch.allclose(basis @ basis.mT, torch.eye(64, dtype=torch.float64), atol=1e-12)
    assert torch.equal(basis, directions.__wrapped__(64))


def test_a_mask_weights_positions() -> None:
    assert_mask_weights_positions(projections)
