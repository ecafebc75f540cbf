"""NNST with its own schedule, with few steps and the tiny network."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from bench.time_to_quality import nnst
from bench.time_to_quality.nnst import count_evaluations, prepare_nnst
from core.errors import UsageError
from support.quality_tasks import delivered


def pictures(width: int = 80, height: int = 64) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    return draw.random((1, 3, height, width), np.float32), draw.random((1, 3, 70, 80), np.float32)


@pytest.fixture
def two_steps(monkeypatch: pytest.MonkeyPatch, tiny_vgg: None) -> None:
    monkeypatch.setattr(nnst, "STEPS", 2)


def test_every_step_delivers_an_image_of_the_final_size(two_steps: None) -> None:
    snapshots = list(delivered(prepare_nnst(*pictures())))
    assert [evaluations for evaluations, _ in snapshots] == list(range(1, 11))
    assert count_evaluations(80) == 10
    for _, pixels in snapshots:
        assert pixels.shape == (1, 3, 64, 80)
        assert np.isfinite(pixels).all()
        assert 0 <= pixels.min() < pixels.max() <= 1


def test_runs_repeat(two_steps: None) -> None:
    first, second = ([*delivered(prepare_nnst(*pictures()))][-1][1] for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_large_images_have_one_more_scale() -> None:
    assert [count_evaluations(side) for side in (384, 1023, 1024)] == [1000, 1000, 1200]


def test_every_stage_reduces_its_loss(monkeypatch: pytest.MonkeyPatch, tiny_vgg: None) -> None:
    """The losses are recorded where the run computes them: four scales and the last pass."""
    monkeypatch.setattr(nnst, "STEPS", 5)
    monkeypatch.setattr(nnst, "LEARNING_RATE", 1e-2)
    losses: list[float] = []

    def recorded(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def call(*arguments: Any) -> Tensor:
            value = function(*arguments)
            losses.append(value.item())
            return value

        return call

    monkeypatch.setattr(nnst, "hypercolumn_loss", recorded(nnst.hypercolumn_loss))
    monkeypatch.setattr(nnst, "layer_loss", recorded(nnst.layer_loss))
    assert sum(1 for _ in prepare_nnst(*pictures())) == 25
    stages = [losses[start : start + 5] for start in range(0, 25, 5)]
    assert len(losses) == 25
    for stage in stages:
        assert stage[-1] < stage[0]


def test_small_images_are_refused(tiny_vgg: None) -> None:
    with pytest.raises(UsageError, match=r"^nnst needs sides of at least 64 px, and an image has 48: use a larger"):
        prepare_nnst(*pictures(width=96, height=48))
