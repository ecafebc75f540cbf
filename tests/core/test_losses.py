"""Every term against values worked out by hand and, with its gradient, against finite differences in float64."""

import math

import pytest
import torch
from torch import Tensor

from core.losses import (
    content_loss,
    gram,
    mean_square,
    moments,
    style_loss,
    sum_of_squares,
    total_variation,
    wasserstein_loss,
)


def features(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_gram_by_hand() -> None:
    maps = torch.tensor([[[[1.0, 2.0]], [[3.0, -1.0]]]])  # two channels of 1 x 2 positions
    assert gram(maps).tolist() == [[[2.5, 0.5], [0.5, 5.0]]]


def test_gram_does_not_depend_on_the_size() -> None:
    maps = features(1, 4, 6, 5)
    torch.testing.assert_close(gram(maps.tile(1, 1, 2, 3)), gram(maps))


def test_content_loss_by_hand() -> None:
    assert content_loss(torch.tensor([[[[1.0, 3.0]]]]), torch.tensor([[[[0.0, 1.0]]]])) == 2.5


def test_sums_axis_by_axis_keep_their_digits() -> None:
    values = torch.full((1, 1, 1024, 1024), 0.1)
    assert sum_of_squares(values).item() == pytest.approx(1024**2 * float(values[0, 0, 0, 0]) ** 2, rel=1e-6)
    assert mean_square(features(2, 3, 4, 5)) == pytest.approx((features(2, 3, 4, 5).numpy() ** 2).mean())


def test_style_loss_by_hand() -> None:
    maps = torch.tensor([[[[1.0, 2.0]], [[3.0, -1.0]]]])
    target = torch.tensor([[[2.5, 0.0], [0.0, 3.0]]])
    assert style_loss(maps, target) == pytest.approx((0.25 + 0.25 + 4) / 4)


def test_style_loss_is_four_times_the_papers() -> None:
    maps, other = features(1, 3, 4, 5), features(1, 3, 4, 5, seed=1)
    channels, positions = 3, 20
    sums = [f.flatten(2) @ f.flatten(2).mT for f in (maps, other)]
    paper = (sums[0] - sums[1]).square().sum() / (4 * channels**2 * positions**2)
    torch.testing.assert_close(style_loss(maps, gram(other)), 4 * paper)


def test_total_variation_by_hand() -> None:
    image = torch.tensor([[[[0.0, 1.0], [0.5, 0.5]]]])
    assert total_variation(image) == pytest.approx((1 + 0 + 0.25 + 0.25) / 4)
    assert total_variation(torch.full((1, 3, 4, 4), 0.3)) == 0


def test_wasserstein_of_commuting_normals_is_known() -> None:
    # Along one axis each: |m - m'|² + (s - s')², here over two channels.
    points = torch.tensor([[[[1.0, -1.0, 1.0, -1.0]], [[2.0, 2.0, -2.0, -2.0]]]], dtype=torch.float64)
    mean = torch.tensor([[3.0, 4.0]], dtype=torch.float64)
    covariance = torch.diag(torch.tensor([9.0, 16.0], dtype=torch.float64))[None]
    expected = ((9 + 16) + (1 - 3) ** 2 + (2 - 4) ** 2) / 2
    assert wasserstein_loss(points, (mean, covariance)).item() == pytest.approx(expected, rel=1e-4)


def test_wasserstein_of_a_picture_with_itself_is_nothing() -> None:
    maps = features(1, 3, 8, 8)
    assert abs(wasserstein_loss(maps, moments(maps)).item()) < 1e-4


@pytest.mark.parametrize(
    "term",
    [
        pytest.param(lambda x: content_loss(x, features(1, 3, 5, 4, seed=1)), id="content"),
        pytest.param(lambda x: style_loss(x, gram(features(1, 3, 6, 7, seed=1))), id="style"),
        pytest.param(lambda x: wasserstein_loss(x, moments(features(1, 3, 6, 7, seed=1))), id="wasserstein"),
        pytest.param(total_variation, id="tv"),
    ],
)
def test_gradients_against_finite_differences(term) -> None:
    image = features(1, 3, 5, 4).requires_grad_(True)
    assert torch.autograd.gradcheck(term, (image,), eps=1e-6, atol=1e-7)
    assert math.isfinite(term(image).item())
