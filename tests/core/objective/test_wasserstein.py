"""The Wasserstein distance of normal distributions against known values, and gradients against finite differences."""

import pytest
import torch
from torch import Tensor

from core.objective.moments import moments
from core.objective.wasserstein import WassersteinLoss
from support.style_losses import (
    assert_backward_equals_autograd,
    assert_gradient_is_that_of_finite_differences,
    backward_cases,
    random_features,
)

WASSERSTEIN = WassersteinLoss()


def target_of(statistic: Tensor) -> Tensor:
    return WASSERSTEIN.target([statistic], [1])


def test_wasserstein_of_commuting_normals_is_known() -> None:
    # Along one axis each: |m - m'|² + (s - s')², here over two channels.
    points = torch.tensor([[[[1.0, -1.0, 1.0, -1.0]], [[2.0, 2.0, -2.0, -2.0]]]], dtype=torch.float64)
    mean = torch.tensor([3.0, 4.0], dtype=torch.float64)
    products = torch.diag(torch.tensor([9.0, 16.0], dtype=torch.float64)) + torch.outer(mean, mean)
    target = torch.cat([products, mean[:, None]], 1)[None]
    expected = ((9 + 16) + (1 - 3) ** 2 + (2 - 4) ** 2) / 2
    assert WASSERSTEIN.loss(moments(points), target_of(target)).item() == pytest.approx(expected, rel=1e-4)


def test_wasserstein_of_an_image_with_itself_is_zero() -> None:
    maps = random_features(1, 3, 8, 8)
    assert abs(WASSERSTEIN.loss(moments(maps), target_of(moments(maps))).item()) < 1e-4


def test_gradient_against_finite_differences() -> None:
    target = target_of(moments(random_features(1, 3, 6, 7, seed=1)))
    assert_gradient_is_that_of_finite_differences(lambda features: WASSERSTEIN.loss(moments(features), target))


@backward_cases
def test_backward_equals_autograd(masked: bool, part: tuple[slice, slice], layout: torch.memory_format) -> None:
    assert_backward_equals_autograd(WASSERSTEIN, masked, part, layout)
