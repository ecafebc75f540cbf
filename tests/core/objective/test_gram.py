"""Gram matrices and their loss against values computed by hand, and gradients against finite differences."""

import pytest
import torch

from core.objective.gram import GramLoss, gram
from support.style_losses import (
    assert_backward_equals_autograd,
    assert_gradient_is_that_of_finite_differences,
    assert_half_precision_is_summed_in_float32,
    assert_mask_weights_positions,
    backward_cases,
    random_features,
)

GRAM = GramLoss()


def test_gram_by_hand() -> None:
    maps = torch.tensor([[[[1.0, 2.0]], [[3.0, -1.0]]]])  # two channels of 1 x 2 positions
    assert gram(maps).tolist() == [[[2.5, 0.5], [0.5, 5.0]]]


def test_gram_does_not_depend_on_the_size() -> None:
    maps = random_features(1, 4, 6, 5)
    torch.testing.assert_close(gram(maps.tile(1, 1, 2, 3)), gram(maps))


def test_style_loss_by_hand() -> None:
    maps = torch.tensor([[[[1.0, 2.0]], [[3.0, -1.0]]]])
    target = torch.tensor([[[2.5, 0.0], [0.0, 3.0]]])
    assert GRAM.loss(gram(maps), target) == pytest.approx((0.25 + 0.25 + 4) / 4)


def test_style_loss_is_four_times_the_papers() -> None:
    maps, other = random_features(1, 3, 4, 5), random_features(1, 3, 4, 5, seed=1)
    channels, positions = 3, 20
    sums = [f.flatten(2) @ f.flatten(2).mT for f in (maps, other)]
    paper = (sums[0] - sums[1]).square().sum() / (4 * channels**2 * positions**2)
    torch.testing.assert_close(GRAM.loss(gram(maps), gram(other)), 4 * paper)


def test_gradient_against_finite_differences() -> None:
    target = gram(random_features(1, 3, 6, 7, seed=1))
    assert_gradient_is_that_of_finite_differences(lambda features: GRAM.loss(gram(features), target))


@backward_cases
def test_backward_equals_autograd(masked: bool, part: tuple[slice, slice], layout: torch.memory_format) -> None:
    assert_backward_equals_autograd(GRAM, masked, part, layout)


def test_a_mask_weights_positions() -> None:
    assert_mask_weights_positions(gram)


@pytest.mark.parametrize("masked", [False, True])
def test_gram_of_half_precision_is_summed_in_float32(masked: bool) -> None:
    assert_half_precision_is_summed_in_float32(gram, masked)
