"""The losses of NNST against plain loops, finite differences and known answers."""

import random

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from bench.time_to_quality.nnst_losses import (
    Features,
    hypercolumn_loss,
    hypercolumns,
    layer_loss,
    nearest,
    quarter_of,
    rotations,
)


def make_features(height: int, width: int, seed: int = 0) -> dict[str, Tensor]:
    """Features of two layers in float64."""
    draw = torch.Generator().manual_seed(seed)
    sizes = {"relu1_1": (4, height, width), "relu2_1": (6, height // 2, width // 2)}
    return {tap: torch.rand(1, *size, generator=draw, dtype=torch.float64) for tap, size in sizes.items()}


@pytest.mark.parametrize("block", [2**24, 50])
def test_nearest_equals_a_plain_search(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.objective.nearest.MAX_SIMILARITIES", block)
    wanted, candidates = torch.rand(5, 21, dtype=torch.float64), torch.rand(5, 17, dtype=torch.float64)
    found = nearest(wanted, candidates)
    for column, chosen in zip(wanted.T, found.T, strict=True):
        centred = column - wanted.mean(1)
        cosines = [cosine_similarity(centred, other - candidates.mean(1), dim=0).item() for other in candidates.T]
        torch.testing.assert_close(chosen, candidates.T[cosines.index(max(cosines))])


def test_hypercolumns_count_layers_by_their_channels() -> None:
    features = make_features(16, 24)
    columns = hypercolumns(features, (4, 6))
    assert columns.shape == (1, 10, 4, 6)
    # With aligned corners the first position is the first one of every layer.
    expected = torch.cat([features["relu1_1"][0, :, 0, 0] / 4, features["relu2_1"][0, :, 0, 0] / 6])
    torch.testing.assert_close(columns[0, :, 0, 0], expected)
    assert quarter_of(torch.zeros(1, 3, 19, 24)) == (4, 6)


def test_the_hypercolumn_loss_is_the_mean_cosine_distance() -> None:
    target = torch.tensor([1.0, 0.0]).reshape(1, 2, 1, 1)
    for found, expected in ((target * 3, 0.0), (-target, 2.0), (target.flip(1), 1.0)):
        assert hypercolumn_loss(found, target).item() == pytest.approx(expected, abs=1e-6)


def test_an_image_in_the_style_of_itself_has_no_layer_loss() -> None:
    features = make_features(16, 24)
    assert layer_loss(features, [features], random.Random(0)).item() == pytest.approx(0, abs=1e-5)
    assert layer_loss(features, [make_features(16, 24, seed=1)], random.Random(0)).item() > 0.1


def test_large_layers_are_sampled_at_the_same_positions_of_both_images() -> None:
    """Only positions of one grid are equal in the two images, and the loss is 0 when that grid is drawn."""
    image, style = (torch.rand(1, 16, 128, 130, dtype=torch.float64) for _ in range(2))
    style[:, :, 1::2, 0::2] = image[:, :, 1::2, 0::2]
    losses = {}
    for seed in range(12):
        offsets = (draw := random.Random(seed)).randrange(2), draw.randrange(2)
        losses[offsets] = layer_loss({"relu1_1": image}, [{"relu1_1": style}], random.Random(seed)).item()
    assert losses.pop((1, 0)) == pytest.approx(0, abs=1e-5)
    assert losses
    assert min(losses.values()) > 0.01


@pytest.mark.parametrize("loss", ["hypercolumns", "layers"])
def test_gradients_equal_finite_differences(loss: str) -> None:
    features, style = make_features(8, 12), make_features(12, 8, seed=1)
    target = hypercolumns(make_features(8, 12, seed=2), (2, 3))

    def value(changed: Features) -> Tensor:
        if loss == "hypercolumns":
            return hypercolumn_loss(hypercolumns(changed, (2, 3)), target)
        return layer_loss(changed, [style], random.Random(0))

    leaves = {tap: values.clone().requires_grad_(True) for tap, values in features.items()}
    gradients = torch.autograd.grad(value(leaves), [*leaves.values()])
    for (tap, values), gradient in zip(features.items(), gradients, strict=True):
        direction = torch.randn(values.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
        step = 1e-6 * direction
        difference = value({**features, tap: values + step}) - value({**features, tap: values - step})
        assert difference.item() / 2e-6 == pytest.approx((gradient * direction).sum().item(), rel=1e-6, abs=1e-8)


def test_rotations_are_those_by_quarter_turns() -> None:
    image = torch.rand(1, 3, 4, 6)
    first, second, third, fourth = rotations(image)
    torch.testing.assert_close(first, image)
    torch.testing.assert_close(second, image.flip(3).mT)
    torch.testing.assert_close(third, image.flip(2, 3))
    torch.testing.assert_close(fourth, image.flip(2).mT)
