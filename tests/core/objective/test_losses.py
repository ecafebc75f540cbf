"""Every term of the loss against values computed by hand, and its gradient against finite differences in float64."""

import math
from collections.abc import Callable
from itertools import permutations

import pytest
import torch
from torch import Tensor

from core.objective.content import content_backward, content_loss
from core.objective.gram import GramLoss, gram
from core.objective.moments import MomentsLoss, moments
from core.objective.reductions import mean_square, sum_of_squares
from core.objective.sliced_wasserstein import SlicedWassersteinLoss, directions, projections
from core.objective.style_loss import StyleLoss
from core.objective.total_variation import total_variation
from core.objective.wasserstein import WassersteinLoss

GRAM, MOMENTS, WASSERSTEIN, SLICED = GramLoss(), MomentsLoss(), WassersteinLoss(), SlicedWassersteinLoss()


def target_of(loss: StyleLoss, statistic: Tensor) -> Tensor:
    return loss.target([statistic], [1])


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


def test_sums_one_axis_at_a_time_keep_their_digits() -> None:
    values = torch.full((1, 1, 1024, 1024), 0.1)
    assert sum_of_squares(values).item() == pytest.approx(1024**2 * float(values[0, 0, 0, 0]) ** 2, rel=1e-6)
    assert mean_square(features(2, 3, 4, 5)) == pytest.approx((features(2, 3, 4, 5).numpy() ** 2).mean())


def test_style_loss_by_hand() -> None:
    maps = torch.tensor([[[[1.0, 2.0]], [[3.0, -1.0]]]])
    target = torch.tensor([[[2.5, 0.0], [0.0, 3.0]]])
    assert GRAM.loss(gram(maps), target) == pytest.approx((0.25 + 0.25 + 4) / 4)


def test_style_loss_is_four_times_the_papers() -> None:
    maps, other = features(1, 3, 4, 5), features(1, 3, 4, 5, seed=1)
    channels, positions = 3, 20
    sums = [f.flatten(2) @ f.flatten(2).mT for f in (maps, other)]
    paper = (sums[0] - sums[1]).square().sum() / (4 * channels**2 * positions**2)
    torch.testing.assert_close(GRAM.loss(gram(maps), gram(other)), 4 * paper)


def test_total_variation_by_hand() -> None:
    image = torch.tensor([[[[0.0, 1.0], [0.5, 0.5]]]])
    assert total_variation(image) == pytest.approx((1 + 0 + 0.25 + 0.25) / 4)
    assert total_variation(torch.full((1, 3, 4, 4), 0.3)) == 0


def test_moments_of_parts_add_up_to_the_moments_of_the_whole() -> None:
    maps = features(1, 3, 6, 8)
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
    maps, other = (features(1, 3, 6, 7, seed=seed).float() for seed in (0, 1))
    expected = MOMENTS.loss(moments(maps), moments(other))
    torch.testing.assert_close(MOMENTS.loss(moments(scale * maps), moments(scale * other)), expected)


@pytest.mark.parametrize("value", [0.0, 2.0])
def test_moments_of_a_uniform_style_are_finite(value: float) -> None:
    """Its features have no variance, and may all be zero."""
    target = moments(torch.full((1, 3, 6, 7), value))
    assert MOMENTS.loss(target, target) == 0
    maps = features(1, 3, 6, 7).float().requires_grad_()
    loss = MOMENTS.loss(moments(maps), target)
    (gradient,) = torch.autograd.grad(loss, maps)
    assert loss > 1
    assert gradient.isfinite().all()


def test_wasserstein_of_commuting_normals_is_known() -> None:
    # Along one axis each: |m - m'|² + (s - s')², here over two channels.
    points = torch.tensor([[[[1.0, -1.0, 1.0, -1.0]], [[2.0, 2.0, -2.0, -2.0]]]], dtype=torch.float64)
    mean = torch.tensor([3.0, 4.0], dtype=torch.float64)
    products = torch.diag(torch.tensor([9.0, 16.0], dtype=torch.float64)) + torch.outer(mean, mean)
    target = torch.cat([products, mean[:, None]], 1)[None]
    expected = ((9 + 16) + (1 - 3) ** 2 + (2 - 4) ** 2) / 2
    assert WASSERSTEIN.loss(moments(points), target_of(WASSERSTEIN, target)).item() == pytest.approx(expected, rel=1e-4)


def test_wasserstein_of_an_image_with_itself_is_zero() -> None:
    maps = features(1, 3, 8, 8)
    assert abs(WASSERSTEIN.loss(moments(maps), target_of(WASSERSTEIN, moments(maps))).item()) < 1e-4


@pytest.mark.parametrize(
    "term",
    [
        pytest.param(lambda x: content_loss(x, features(1, 3, 5, 4, seed=1)), id="content"),
        pytest.param(lambda x: GRAM.loss(gram(x), gram(features(1, 3, 6, 7, seed=1))), id="style"),
        pytest.param(
            lambda x: MOMENTS.loss(moments(x), target_of(MOMENTS, moments(features(1, 3, 6, 7, seed=1)))), id="moments"
        ),
        pytest.param(
            lambda x: WASSERSTEIN.loss(moments(x), target_of(WASSERSTEIN, moments(features(1, 3, 6, 7, seed=1)))),
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


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("part", [(slice(None), slice(None)), (slice(1, 5), slice(2, 6))], ids=["whole", "slice"])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("loss", [GRAM, MOMENTS, WASSERSTEIN, SLICED], ids=["gram", "moments", "wasserstein", "sliced"])
def test_backward_equals_autograd(
    loss: StyleLoss,
    masked: bool,
    part: tuple[slice, slice],
    layout: torch.memory_format,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For features in both layouts, for a slice of them, and accumulated into an existing gradient."""
    monkeypatch.setattr("core.objective.gram.MAX_COPIED_VALUES", 40)  # three of the four rows of the part
    generator = torch.Generator().manual_seed(0)
    features, gradient = (
        torch.randn(1, 3, 6, 7, generator=generator, dtype=torch.float64).contiguous(memory_format=layout)
        for _ in range(2)
    )
    owned = features[(..., *part)].detach().requires_grad_(True)
    mask = torch.rand(1, 1, *owned.shape[2:], generator=generator, dtype=torch.float64) if masked else None
    statistic = loss.statistic(owned, mask)
    torch.testing.assert_close(statistic, loss.statistic(owned.contiguous(), mask), rtol=1e-12, atol=1e-12)
    grad_statistic = torch.randn(statistic.shape, generator=generator, dtype=torch.float64)
    (grad_owned,) = torch.autograd.grad(statistic, owned, grad_statistic)
    expected = gradient.clone()
    expected[(..., *part)] += grad_owned
    loss.backward(gradient[(..., *part)], features[(..., *part)], grad_statistic, mask)
    torch.testing.assert_close(gradient, expected, rtol=1e-12, atol=1e-12)


def test_content_backward_equals_autograd() -> None:
    found, target, gradient = (features(1, 3, 5, 4, seed=seed) for seed in range(3))
    leaf = found.clone().requires_grad_(True)
    (grad,) = torch.autograd.grad(0.7 * content_loss(leaf, target), leaf)
    expected = gradient + grad
    content_backward(gradient, found, torch.tensor(0.7, dtype=torch.float64), target)
    torch.testing.assert_close(gradient, expected)


def test_directions_are_a_fixed_orthonormal_basis() -> None:
    basis = directions(64)
    assert torch.allclose(basis @ basis.mT, torch.eye(64, dtype=torch.float64), atol=1e-12)
    assert torch.equal(basis, directions.__wrapped__(64))


@pytest.mark.parametrize("statistic", [gram, moments, projections])
def test_a_mask_weights_positions(statistic: Callable[..., Tensor]) -> None:
    """A mask of mean 1 over half of the positions gives the statistic of that half."""
    features = torch.randn(1, 3, 4, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    mask = torch.zeros(1, 1, 4, 6, dtype=torch.float64)
    mask[..., :3] = 2
    assert torch.allclose(statistic(features, mask), statistic(features[..., :3].contiguous()))
