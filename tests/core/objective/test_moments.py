"""Means and covariances, and their loss, against values computed by hand; gradients against finite differences."""

import pytest
import torch

from core.objective.moments import MomentsLoss, moments
from support.style_losses import (
    assert_backward_equals_autograd,
    assert_gradient_is_that_of_finite_differences,
    assert_half_precision_is_summed_in_float32,
    assert_mask_weights_positions,
    backward_cases,
    random_features,
)

MOMENTS = MomentsLoss()


def test_moments_of_parts_add_up_to_the_moments_of_the_whole() -> None:
    maps = random_features(1, 3, 6, 8)
    left, right = maps[..., :2], maps[..., 2:]
    torch.testing.assert_close(moments(left) / 4 + moments(right) * 3 / 4, moments(maps))
    torch.testing.assert_close(moments(maps)[0, :, 3], maps.mean((0, 2, 3)))


def test_moments_by_hand() -> None:
    """Means (0, 0) and variances 1 and 4 against means (3, 4) and variances 9 and 16, without covariances."""
    points = torch.tensor([[[[1.0, -1.0, 1.0, -1.0]], [[2.0, 2.0, -2.0, -2.0]]]], dtype=torch.float64)
    other = torch.tensor([[[[6.0, 0.0, 6.0, 0.0]], [[8.0, 8.0, 0.0, 0.0]]]], dtype=torch.float64)
    expected = (9 + 16) / (9 + 16) + ((9 - 1) ** 2 + (16 - 4) ** 2) / (9**2 + 16**2)
    assert MOMENTS.loss(moments(points), moments(other)).item() == pytest.approx(expected)


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_moments_do_not_depend_on_the_scale_of_the_features(scale: float) -> None:
    maps, other = (random_features(1, 3, 6, 7, seed=seed).float() for seed in (0, 1))
    expected = MOMENTS.loss(moments(maps), moments(other))
    torch.testing.assert_close(MOMENTS.loss(moments(scale * maps), moments(scale * other)), expected)


@pytest.mark.parametrize("value", [0.0, 2.0])
def test_moments_of_a_uniform_style_are_finite(value: float) -> None:
    """Its features have no variance, and may all be zero."""
    target = moments(torch.full((1, 3, 6, 7), value))
    assert MOMENTS.loss(target, target) == 0
    maps = random_features(1, 3, 6, 7).float().requires_grad_()
    loss = MOMENTS.loss(moments(maps), target)
    (gradient,) = torch.autograd.grad(loss, maps)
    assert loss > 1
    assert gradient.isfinite().all()


def test_gradient_against_finite_differences() -> None:
    target = MOMENTS.target([moments(random_features(1, 3, 6, 7, seed=1))], [1])
    assert_gradient_is_that_of_finite_differences(lambda features: MOMENTS.loss(moments(features), target))


@backward_cases
def test_backward_equals_autograd(masked: bool, part: tuple[slice, slice], layout: torch.memory_format) -> None:
    assert_backward_equals_autograd(MOMENTS, masked, part, layout)


def test_a_mask_weights_positions() -> None:
    assert_mask_weights_positions(moments)


@pytest.mark.parametrize("masked", [False, True])
def test_moments_of_half_precision_are_summed_in_float32(masked: bool) -> None:
    assert_half_precision_is_summed_in_float32(moments, masked)
