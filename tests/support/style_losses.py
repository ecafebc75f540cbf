"""Random features, and checks that the tests of several losses share."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from core.objective.style_loss import StyleLoss

Statistic = Callable[..., Tensor]
"""Returns the statistic of features, with or without a mask."""


def random_features(*shape: int, seed: int = 0) -> Tensor:
    """Normally distributed, float64."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def assert_gradient_is_that_of_finite_differences(term: Callable[[Tensor], Tensor]) -> None:
    """Check the gradient of a term of the loss with respect to features (1, 3, 5, 4), in float64."""
    features = random_features(1, 3, 5, 4).requires_grad_(True)
    assert torch.autograd.gradcheck(term, (features,), eps=1e-6, atol=1e-7)
    assert torch.isfinite(term(features))


def backward_cases(test: Callable[..., None]) -> Callable[..., None]:
    """Call a test with the arguments of `assert_backward_equals_autograd`."""
    parts = [(slice(None), slice(None)), (slice(1, 5), slice(2, 6))]
    for mark in (
        pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last]),
        pytest.mark.parametrize("part", parts, ids=["whole", "slice"]),
        pytest.mark.parametrize("masked", [False, True]),
    ):
        test = mark(test)
    return test


def assert_backward_equals_autograd(
    loss: StyleLoss, masked: bool, part: tuple[slice, slice], layout: torch.memory_format
) -> None:
    """For features in both layouts, for a slice of them, and accumulated into an existing gradient."""
    generator = torch.Generator().manual_seed(0)
    features, gradient = (
        torch.randn(1, 3, 6, 7, generator=generator, dtype=torch.float64).contiguous(memory_format=layout)
        for _ in range(2)
    )
    owned = features[(..., *part)].detach().requires_grad_(True)
    mask = torch.rand(1, 1, *owned.shape[2:], generator=generator, dtype=torch.float64) if masked else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.objective.gram.MAX_COPIED_VALUES", 40)  # three of the four rows of the part
        statistic = loss.statistic(owned, mask)
        torch.testing.assert_close(statistic, loss.statistic(owned.contiguous(), mask), rtol=1e-12, atol=1e-12)
        grad_statistic = torch.randn(statistic.shape, generator=generator, dtype=torch.float64)
        (grad_owned,) = torch.autograd.grad(statistic, owned, grad_statistic)
        expected = gradient.clone()
        expected[(..., *part)] += grad_owned
        loss.backward(gradient[(..., *part)], features[(..., *part)], grad_statistic, mask)
    torch.testing.assert_close(gradient, expected, rtol=1e-12, atol=1e-12)


def assert_mask_weights_positions(statistic: Statistic) -> None:
    """A mask of mean 1 over half of the positions gives the statistic of that half."""
    features = random_features(1, 3, 4, 6, seed=1)
    mask = torch.zeros(1, 1, 4, 6, dtype=torch.float64)
    mask[..., :3] = 2
    assert torch.allclose(statistic(features, mask), statistic(features[..., :3].contiguous()))


def assert_half_precision_is_summed_in_float32(statistic: Statistic, masked: bool) -> None:
    features = torch.rand((1, 8, 40, 50), generator=torch.Generator().manual_seed(0)).bfloat16()
    mask = torch.linspace(0, 2, 40 * 50).view(1, 1, 40, 50) if masked else None
    found = statistic(features, mask)
    expected = statistic(features.double(), None if mask is None else mask.double())
    assert found.dtype == torch.float32
    assert torch.linalg.norm(found.double() - expected) < 5e-3 * torch.linalg.norm(expected)
