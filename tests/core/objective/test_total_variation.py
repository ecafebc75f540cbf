"""Total variation against a value computed by hand, and its gradient against finite differences."""

import pytest
import torch

from core.objective.total_variation import total_variation
from support.style_losses import assert_gradient_is_that_of_finite_differences


def test_total_variation_by_hand() -> None:
    image = torch.tensor([[[[0.0, 1.0], [0.5, 0.5]]]])
    assert total_variation(image) == pytest.approx((1 + 0 + 0.25 + 0.25) / 4)
    assert total_variation(torch.full((1, 3, 4, 4), 0.3)) == 0


def test_gradient_against_finite_differences() -> None:
    assert_gradient_is_that_of_finite_differences(total_variation)
