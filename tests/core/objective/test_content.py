"""The content loss against values computed by hand, and its gradient against finite differences and autograd."""

import torch

from core.objective.content import content_backward, content_loss
from support.style_losses import assert_gradient_is_that_of_finite_differences, random_features


def test_content_loss_by_hand() -> None:
    assert content_loss(torch.tensor([[[[1.0, 3.0]]]]), torch.tensor([[[[0.0, 1.0]]]])) == 2.5


def test_gradient_against_finite_differences() -> None:
    target = random_features(1, 3, 5, 4, seed=1)
    assert_gradient_is_that_of_finite_differences(lambda features: content_loss(features, target))


def test_content_backward_equals_autograd() -> None:
    found, target, gradient = (random_features(1, 3, 5, 4, seed=seed) for seed in range(3))
    leaf = found.clone().requires_grad_(True)
    (grad,) = torch.autograd.grad(0.7 * content_loss(leaf, target), leaf)
    expected = gradient + grad
    content_backward(gradient, found, torch.tensor(0.7, dtype=torch.float64), target)
    torch.testing.assert_close(gradient, expected)
