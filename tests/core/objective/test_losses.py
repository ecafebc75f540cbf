"""Every term against values worked out by hand and, with its gradient, against finite differences in float64."""

import math
from collections.abc import Callable
from itertools import permutations

import pytest
import torch
from torch import Tensor

from core.objective.losses import (
    content_backward,
    content_loss,
    directions,
    gram,
    gram_backward,
    mean_square,
    moments,
    moments_backward,
    projections,
    projections_backward,
    sliced_wasserstein_loss,
    style_loss,
    sum_of_squares,
    total_variation,
    wasserstein_loss,
    wasserstein_target,
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
    assert style_loss(gram(maps), target) == pytest.approx((0.25 + 0.25 + 4) / 4)


def test_style_loss_is_four_times_the_papers() -> None:
    maps, other = features(1, 3, 4, 5), features(1, 3, 4, 5, seed=1)
    channels, positions = 3, 20
    sums = [f.flatten(2) @ f.flatten(2).mT for f in (maps, other)]
    paper = (sums[0] - sums[1]).square().sum() / (4 * channels**2 * positions**2)
    torch.testing.assert_close(style_loss(gram(maps), gram(other)), 4 * paper)


def test_total_variation_by_hand() -> None:
    image = torch.tensor([[[[0.0, 1.0], [0.5, 0.5]]]])
    assert total_variation(image) == pytest.approx((1 + 0 + 0.25 + 0.25) / 4)
    assert total_variation(torch.full((1, 3, 4, 4), 0.3)) == 0


def test_moments_of_parts_add_up_to_those_of_the_whole() -> None:
    maps = features(1, 3, 6, 8)
    left, right = maps[..., :2], maps[..., 2:]
    torch.testing.assert_close(moments(left) / 4 + moments(right) * 3 / 4, moments(maps))
    torch.testing.assert_close(moments(maps)[0, :, 3], maps.mean((0, 2, 3)))


def test_wasserstein_of_commuting_normals_is_known() -> None:
    # Along one axis each: |m - m'|² + (s - s')², here over two channels.
    points = torch.tensor([[[[1.0, -1.0, 1.0, -1.0]], [[2.0, 2.0, -2.0, -2.0]]]], dtype=torch.float64)
    mean = torch.tensor([3.0, 4.0], dtype=torch.float64)
    products = torch.diag(torch.tensor([9.0, 16.0], dtype=torch.float64)) + torch.outer(mean, mean)
    target = torch.cat([products, mean[:, None]], 1)[None]
    expected = ((9 + 16) + (1 - 3) ** 2 + (2 - 4) ** 2) / 2
    assert wasserstein_loss(moments(points), wasserstein_target(target)).item() == pytest.approx(expected, rel=1e-4)


def test_wasserstein_of_a_picture_with_itself_is_nothing() -> None:
    maps = features(1, 3, 8, 8)
    assert abs(wasserstein_loss(moments(maps), wasserstein_target(moments(maps))).item()) < 1e-4


@pytest.mark.parametrize(
    "term",
    [
        pytest.param(lambda x: content_loss(x, features(1, 3, 5, 4, seed=1)), id="content"),
        pytest.param(lambda x: style_loss(gram(x), gram(features(1, 3, 6, 7, seed=1))), id="style"),
        pytest.param(
            lambda x: wasserstein_loss(moments(x), wasserstein_target(moments(features(1, 3, 6, 7, seed=1)))),
            id="wasserstein",
        ),
        pytest.param(total_variation, id="tv"),
    ],
)
def test_gradients_against_finite_differences(term) -> None:
    image = features(1, 3, 5, 4).requires_grad_(True)
    assert torch.autograd.gradcheck(term, (image,), eps=1e-6, atol=1e-7)
    assert math.isfinite(term(image).item())


def test_sorted_projections_are_the_distance_of_the_distributions() -> None:
    """For one channel the only direction is the channel itself, and sorting solves the transport exactly."""
    found = torch.tensor([[3.0, 1.0, 2.0, 5.0]], dtype=torch.float64).reshape(1, 1, 2, 2)
    target = torch.tensor([[0.0, 2.0, 4.0, 6.0]], dtype=torch.float64).reshape(1, 1, 4)
    sign = float(directions(1))
    distance = sliced_wasserstein_loss(sign * projections(found), target)
    costs = [((found.flatten()[list(order)] - target.flatten()) ** 2).mean() for order in permutations(range(4))]
    assert abs(sign) == 1
    assert float(distance) == pytest.approx(float(min(costs)))


def test_the_sliced_distance_sees_what_mean_and_covariance_do_not() -> None:
    """Two distributions of the same mean and variance: two points, and three."""
    two = torch.tensor([-1.0, 1.0] * 8, dtype=torch.float64).reshape(1, 1, 4, 4)
    three = torch.tensor([-(2**0.5), 0.0, 0.0, 2**0.5] * 4, dtype=torch.float64).reshape(1, 1, 4, 4)
    assert torch.allclose(moments(two), moments(three))
    assert float(sliced_wasserstein_loss(projections(two), projections(three).sort(2).values)) > 0.1


def test_the_gradient_of_the_sliced_distance() -> None:
    generator = torch.Generator().manual_seed(0)
    features, other = (torch.randn(1, 4, 5, 6, generator=generator, dtype=torch.float64) for _ in range(2))
    target = projections(other[..., :4]).sort(2).values
    assert torch.autograd.gradcheck(
        lambda values: sliced_wasserstein_loss(projections(values), target), features.requires_grad_(True)
    )


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("part", [(slice(None), slice(None)), (slice(1, 5), slice(2, 6))], ids=["whole", "part"])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    ("statistic", "add_pull"),
    [(gram, gram_backward), (moments, moments_backward), (projections, projections_backward)],
    ids=["gram", "moments", "projections"],
)
def test_the_ways_back_are_autograds(
    statistic: Callable,
    add_pull: Callable,
    masked: bool,
    part: tuple[slice, slice],
    layout: torch.memory_format,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For features in either layout, or a part of them, and added to a gradient that is there."""
    monkeypatch.setattr("core.objective.losses.CHUNK", 40)  # three of the four rows of the part
    generator = torch.Generator().manual_seed(0)
    features, gradient = (
        torch.randn(1, 3, 6, 7, generator=generator, dtype=torch.float64).contiguous(memory_format=layout)
        for _ in range(2)
    )
    owned = features[(..., *part)].detach().requires_grad_(True)
    mask = torch.rand(1, 1, *owned.shape[2:], generator=generator, dtype=torch.float64) if masked else None
    measured = statistic(owned, mask)
    torch.testing.assert_close(measured, statistic(owned.contiguous(), mask), rtol=1e-12, atol=1e-12)
    pull = torch.randn(measured.shape, generator=generator, dtype=torch.float64)
    (pulled,) = torch.autograd.grad(measured, owned, pull)
    expected = gradient.clone()
    expected[(..., *part)] += pulled
    add_pull(gradient[(..., *part)], features[(..., *part)], pull, mask)
    torch.testing.assert_close(gradient, expected, rtol=1e-12, atol=1e-12)


def test_the_way_back_from_the_content_is_autograds() -> None:
    found, target, gradient = (features(1, 3, 5, 4, seed=seed) for seed in range(3))
    leaf = found.clone().requires_grad_(True)
    (pulled,) = torch.autograd.grad(0.7 * content_loss(leaf, target), leaf)
    expected = gradient + pulled
    content_backward(gradient, found, torch.tensor(0.7, dtype=torch.float64), target)
    torch.testing.assert_close(gradient, expected)


def test_directions_are_a_basis_and_always_the_same() -> None:
    basis = directions(64)
    assert torch.allclose(basis @ basis.mT, torch.eye(64, dtype=torch.float64), atol=1e-12)
    assert torch.equal(basis, directions.__wrapped__(64))


@pytest.mark.parametrize("statistic", [gram, moments, projections])
def test_a_mask_counts_positions(statistic: Callable[..., Tensor]) -> None:
    """Half of the positions, by a mask of mean 1, are what that half alone has."""
    features = torch.randn(1, 3, 4, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    mask = torch.zeros(1, 1, 4, 6, dtype=torch.float64)
    mask[..., :3] = 2
    assert torch.allclose(statistic(features, mask), statistic(features[..., :3].contiguous()))
