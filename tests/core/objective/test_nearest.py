"""The nearest cells of a style against a search by hand, and the targets that follow from them."""

import math

import pytest
import torch
from torch import Tensor

from core.errors import UsageError
from core.memory.matching import MAX_CELLS
from core.objective.nearest import (
    Matches,
    NearestLoss,
    cell_size,
    find_nearest,
    hypercolumns,
    nearest_features,
)

STRIDES = {"relu1_1": 1, "relu2_1": 2, "relu3_1": 4, "relu4_1": 8, "relu5_1": 16}
CHANNELS = {"relu1_1": 3, "relu2_1": 4, "relu3_1": 5, "relu4_1": 6, "relu5_1": 7}


def features_of(height: int, width: int, seed: int, taps: tuple[str, ...] = tuple(STRIDES)) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        tap: torch.rand(
            (1, CHANNELS[tap], height // STRIDES[tap], width // STRIDES[tap]), generator=generator, dtype=torch.float64
        )
        for tap in taps
    }


def test_find_nearest_against_a_search_of_every_pair() -> None:
    styles = [features_of(48, 33, 1), features_of(35, 64, 2)]
    wanted = hypercolumns(features_of(51, 46, 3), 4)
    candidates = [hypercolumns(style, 4) for style in styles]
    found = find_nearest(wanted, candidates, 4)
    for row in range(wanted.shape[1]):
        for column in range(wanted.shape[2]):
            cosines = {
                (number, i, j): torch.nn.functional.cosine_similarity(
                    wanted[:, row, column].double(), candidate[:, i, j].double(), dim=0
                ).item()
                for number, candidate in enumerate(candidates)
                for i in range(candidate.shape[1])
                for j in range(candidate.shape[2])
            }
            best = max(cosines, key=lambda cell: cosines[cell])
            chosen = tuple(int(values[row, column]) for values in (found.image, found.row, found.column))
            assert cosines[chosen] == pytest.approx(cosines[best], abs=1e-6)


def test_the_search_in_blocks_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted, candidate = hypercolumns(features_of(64, 64, 1), 4), hypercolumns(features_of(64, 48, 2), 4)
    whole = find_nearest(wanted, [candidate], 4)
    monkeypatch.setattr("core.objective.nearest.MAX_SIMILARITIES", 500)
    blocks = find_nearest(wanted, [candidate], 4)
    assert torch.equal(whole.row, blocks.row) and torch.equal(whole.column, blocks.column)


def test_a_style_mask_that_selects_no_cell_is_refused() -> None:
    """It is white only below the last row of whole cells."""
    mask = torch.zeros(1, 1, 66, 64)
    mask[..., 64:, :] = 1
    described = hypercolumns(features_of(66, 64, 1), 4)
    with pytest.raises(UsageError, match="a style mask is too small or too dark"):
        find_nearest(described, [described], 4, mask)


def test_nearest_features_against_a_search_of_every_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    features, *styles = (features_of(24, 40, seed)["relu2_1"] for seed in range(3))
    for block in (2**24, 500):
        monkeypatch.setattr("core.objective.nearest.MAX_SIMILARITIES", block)
        found = nearest_features(features, styles, stride=2)
        assert found.shape == features.shape
        candidates = torch.cat([style[0].flatten(1) for style in styles], 1)
        cosines = torch.nn.functional.cosine_similarity(
            (features[0].flatten(1) - features.mean((2, 3)).T)[:, :, None],
            (candidates - candidates.mean(1, keepdim=True))[:, None],
            dim=0,
        )
        assert torch.equal(found[0].flatten(1), candidates[:, cosines.argmax(1)])


def test_a_layer_chooses_among_samples_of_all_style_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.objective.nearest.MAX_SAMPLES", 10)
    features, *styles = (features_of(64, 64, seed)["relu1_1"] for seed in range(3))
    chosen = {tuple(column) for column in nearest_features(features, styles, stride=1)[0].flatten(1).T.tolist()}
    offered = [{tuple(column) for column in style[0].flatten(1).T.tolist()} for style in styles]
    assert [len(chosen & one) for one in offered] == [5, 5]
    again = nearest_features(features, styles, stride=1)
    assert {tuple(column) for column in again[0].flatten(1).T.tolist()} == chosen


def test_a_layer_chooses_where_the_style_mask_is_white() -> None:
    features, style = features_of(32, 32, 1)["relu2_1"], features_of(32, 32, 2)["relu2_1"]
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., :10] = 1
    chosen = {tuple(column) for column in nearest_features(features, [style], 2, mask)[0].flatten(1).T.tolist()}
    assert chosen <= {tuple(column) for column in style[0, :, :, :5].flatten(1).T.tolist()}
    assert len(chosen) > 5


def test_half_precision_chooses_by_float32_similarities() -> None:
    features, style = (features_of(32, 32, seed)["relu2_1"].bfloat16() for seed in range(2))
    found = nearest_features(features, [style], stride=2)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), nearest_features(features.float(), [style.float()], stride=2))


def test_an_image_is_nearest_to_itself() -> None:
    features, other = features_of(64, 48, 1), features_of(64, 64, 2)
    targets = NearestLoss().position_targets([other, features], features, features)
    for tap, values in features.items():
        torch.testing.assert_close(targets[tap], values)


def test_every_layer_of_an_image_is_nearest_to_itself() -> None:
    """The content plays no part. The style is alone, because another one would change the mean that is subtracted."""
    features, content = features_of(48, 40, 1), features_of(48, 40, 2)
    targets = NearestLoss().position_targets([features], content, features, separate_layers=True)
    for tap, values in features.items():
        torch.testing.assert_close(targets[tap], values)


def test_a_position_gets_the_feature_at_the_same_place_of_the_nearest_cell() -> None:
    style = torch.arange(16 * 24, dtype=torch.float64).reshape(1, 1, 16, 24)
    matches = Matches(
        4, torch.tensor([[0, 0], [0, 0]]), row=torch.tensor([[3, 0], [1, 2]]), column=torch.tensor([[5, 1], [0, 4]])
    )
    target = matches.gather("relu1_1", [style], torch.zeros(1, 1, 8, 8, dtype=torch.float64))
    assert torch.equal(target[..., :4, :4], style[..., 12:16, 20:24])
    assert torch.equal(target[..., :4, 4:], style[..., 0:4, 4:8])
    assert torch.equal(target[..., 4:, :4], style[..., 4:8, 0:4])
    assert torch.equal(target[..., 4:, 4:], style[..., 8:12, 16:20])


def test_a_position_that_covers_several_cells_gets_the_mean_of_their_features() -> None:
    style = torch.arange(6, dtype=torch.float64).reshape(1, 1, 2, 3)  # of relu4_1: a position covers 2 x 2 cells
    matches = Matches(
        4,
        torch.zeros(2, 2, dtype=torch.long),
        row=torch.tensor([[0, 1], [2, 3]]),
        column=torch.tensor([[0, 3], [4, 5]]),
    )
    target = matches.gather("relu4_1", [style], torch.zeros(1, 1, 1, 1, dtype=torch.float64))
    assert target.item() == pytest.approx((0 + 1 + 5 + 5) / 4)


def test_cells_grow_with_the_image() -> None:
    side = math.isqrt(MAX_CELLS)
    for cell in (4, 8):
        assert cell_size({"relu1_1": torch.empty(1, 1, side * cell, side * cell, device="meta")}) == cell
        assert cell_size({"relu1_1": torch.empty(1, 1, side * cell + 1, side * cell, device="meta")}) == 2 * cell
    assert cell_size({"relu1_1": torch.empty(1, 1, 20 * side, 20 * side, device="meta")}) == 16
    assert cell_size({"relu5_1": torch.empty(1, 1, 4, 4, device="meta")}) == 16


@pytest.mark.parametrize("taps", [("relu1_1",), ("relu4_1", "relu5_1"), tuple(STRIDES)])
def test_targets_have_the_shape_of_the_features(taps: tuple[str, ...]) -> None:
    styles = [features_of(33, 50, 1, taps), features_of(70, 35, 2, taps)]
    content, image = features_of(45, 59, 3, taps), features_of(45, 59, 4, taps)
    targets = NearestLoss().position_targets(styles, content, image)
    assert {tap: values.shape for tap, values in targets.items()} == {tap: content[tap].shape for tap in taps}
    for tap, values in targets.items():
        if STRIDES[tap] <= 4:
            known = {tuple(column) for style in styles for column in style[tap][0].flatten(1).T.tolist()}
            assert {tuple(column) for column in values[0].flatten(1).T.tolist()} <= known


def test_the_loss_is_the_weighted_mean_square_and_backward_its_gradient() -> None:
    features = torch.rand(1, 4, 6, 5, dtype=torch.float64, requires_grad=True)
    target, mask = torch.rand(1, 4, 6, 5, dtype=torch.float64), torch.rand(1, 1, 6, 5, dtype=torch.float64)
    for weights in (None, mask / mask.mean()):
        loss = NearestLoss().statistic(features, weights, target)
        squares = (features - target).square() * (1 if weights is None else weights)
        assert loss.item() == pytest.approx(squares.mean().item())
        (expected,) = torch.autograd.grad(loss, features)
        found = torch.zeros_like(features)
        with torch.no_grad():
            NearestLoss().backward(found, features.detach(), torch.ones((), dtype=torch.float64), weights, target)
        torch.testing.assert_close(found, expected)
