"""The content loss against values computed by hand, and its gradient against finite differences and autograd."""

import pytest
import torch

from core.objective.content import MIN_DETAIL_WEIGHT, content_backward, content_loss, detail_mask
from support.style_losses import assert_gradient_is_that_of_finite_differences, random_features


def test_content_loss_by_hand() -> None:
    found, target = torch.tensor([[[[1.0, 3.0]]]]), torch.tensor([[[[0.0, 1.0]]]])
    assert content_loss(found, target) == 2.5
    assert content_loss(found, target, torch.tensor([[[[0.5, 1.5]]]])).item() == pytest.approx(3.25)


def test_gradient_against_finite_differences() -> None:
    target, mask = random_features(1, 3, 5, 4, seed=1), random_features(1, 1, 5, 4, seed=2).abs()
    assert_gradient_is_that_of_finite_differences(lambda features: content_loss(features, target))
    assert_gradient_is_that_of_finite_differences(lambda features: content_loss(features, target, mask))


@pytest.mark.parametrize("masked", [False, True])
def test_content_backward_equals_autograd(masked: bool) -> None:
    found, target, gradient = (random_features(1, 3, 5, 4, seed=seed) for seed in range(3))
    mask = random_features(1, 1, 5, 4, seed=3).abs() if masked else None
    leaf = found.clone().requires_grad_(True)
    (grad,) = torch.autograd.grad(0.7 * content_loss(leaf, target, mask), leaf)
    expected = gradient + grad
    content_backward(gradient, found, torch.tensor(0.7, dtype=torch.float64), target, mask)
    torch.testing.assert_close(gradient, expected)


def test_content_counts_more_where_it_has_detail() -> None:
    """A flat half and a noisy one: the flat half has the smallest weight, the noisy one the rest."""
    features = torch.zeros(1, 3, 24, 40, dtype=torch.float64)
    features[..., 20:] = random_features(1, 3, 24, 20, seed=0)
    mask = detail_mask(features, 0.5)
    flat, noisy = mask[..., :18], mask[..., 22:]
    assert mask.shape == (1, 1, 24, 40)
    assert mask.mean().item() == pytest.approx(1)
    assert flat.std().item() == pytest.approx(0)
    assert flat.max() < MIN_DETAIL_WEIGHT < noisy.min()


def test_the_detail_of_a_position_by_hand() -> None:
    """With a power of 1 and no small values the mask is the mean around a position of the squared distance from the
    mean around it, over the mean of all positions.
    """
    features = random_features(1, 40, 6, 7, seed=0)

    def mean_around(values: torch.Tensor, row: int, column: int) -> torch.Tensor:
        return values[..., max(0, row - 1) : row + 2, max(0, column - 1) : column + 2].mean((-2, -1))

    squares, detail = torch.zeros(6, 7, dtype=torch.float64), torch.zeros(6, 7, dtype=torch.float64)
    for row in range(6):
        for column in range(7):
            difference = features[0, :, row, column] - mean_around(features[0], row, column)
            squares[row, column] = difference.square().sum()
    for row in range(6):
        for column in range(7):
            detail[row, column] = mean_around(squares, row, column)
    weights = (detail / detail.mean()).clamp(min=MIN_DETAIL_WEIGHT)
    torch.testing.assert_close(detail_mask(features, 1)[0, 0], weights / weights.mean())


@pytest.mark.parametrize("value", [0.0, 3.7, 512.3])
def test_a_flat_image_counts_the_same_everywhere(value: float) -> None:
    torch.testing.assert_close(detail_mask(torch.full((1, 256, 50, 60), value), 0.3), torch.ones(1, 1, 50, 60))


def test_a_power_of_zero_weights_all_positions_alike() -> None:
    torch.testing.assert_close(detail_mask(torch.rand(1, 8, 5, 6), 0), torch.ones(1, 1, 5, 6))
