"""The inverse Hessian by inner products against the two loops as the textbook has them."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from core.optim import curvature
from core.optim.constants import LBFGS
from core.optim.curvature import LBFGSHistory

SHAPE = (1, 3, 7, 11)


def guessed(values: np.ndarray) -> np.ndarray:
    """A first guess at the inverse Hessian: along grey less than along the colours."""
    return values - (1 - LBFGS.luminance_scale) * values.mean(1, keepdims=True)


def two_loops(pairs: list[tuple[np.ndarray, np.ndarray]], gradient: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Nocedal and Wright, algorithm 7.4, on pairs cut down to the free values; those that curve downwards left out."""
    cut = [(move * free, change * free) for move, change in pairs]
    newest_move, newest_change = cut[-1]
    result, factors = gradient * free, {}
    for number, (move, change) in reversed(list(enumerate(cut))):
        if np.vdot(move, change) > 0:
            factors[number] = np.vdot(move, result) / np.vdot(move, change)
            result = result - factors[number] * change
    scale = abs(np.vdot(newest_move, newest_change)) / np.vdot(newest_change, guessed(newest_change) * free)
    result = scale * guessed(result) * free
    for number, (move, change) in enumerate(cut):
        if number in factors:
            result = result + (factors[number] - np.vdot(change, result) / np.vdot(move, change)) * move
    return result


def pairs(count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Moves in a bowl that a twist makes other than round, so that some pairs curve upwards only on the whole."""
    rng = np.random.default_rng(0)
    moves = rng.normal(size=(count, *SHAPE))
    return [(move, move * rng.uniform(-0.3, 1, SHAPE)) for move in moves]


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
@pytest.mark.parametrize("count", [1, 4, 5, 13])
@pytest.mark.parametrize("held", [0, 0.1, 0.9])
def test_it_is_the_two_loops_among_the_free_values(
    kind: Callable, count: int, held: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curvature, "PIXELS_PER_CHUNK", 50)  # several, the last one not full
    memory, seen = LBFGSHistory(5), pairs(count)
    for move, change in seen:
        memory.add(kind(move), kind(change))
    rng = np.random.default_rng(1)
    free = rng.uniform(size=SHAPE) >= held
    gradient = rng.normal(size=SHAPE) * free
    found = np.asarray(memory.inverse_hessian_product(kind(gradient), kind(free)))
    np.testing.assert_allclose(found, two_loops(seen[-5:], gradient, free), rtol=1e-9, atol=1e-12)
    assert not found[~free].any()


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_it_keeps_the_precision_of_the_picture(kind: Callable) -> None:
    memory = LBFGSHistory(3)
    for move, change in pairs(4):
        memory.add(kind(move.astype(np.float32)), kind(change.astype(np.float32)))
    gradient = kind(np.ones(SHAPE, np.float32))
    assert memory.inverse_hessian_product(gradient, gradient > 0).dtype == gradient.dtype


def test_a_pair_that_curves_downwards_is_not_kept() -> None:
    memory = LBFGSHistory(5)
    move = np.ones(SHAPE)
    memory.add(move, -move)
    memory.add(move, 0 * move)
    assert not memory
    memory.add(move, move)
    assert len(memory) == 1


def test_forgotten_pairs_leave_nothing_behind() -> None:
    seen = pairs(6)
    memory, fresh = LBFGSHistory(5), LBFGSHistory(5)
    for move, change in seen[:4]:
        memory.add(move, change)
    memory.clear()
    for move, change in seen[4:]:
        memory.add(move, change)
        fresh.add(move, change)
    gradient = np.ones(SHAPE)
    np.testing.assert_array_equal(
        memory.inverse_hessian_product(gradient, gradient > 0), fresh.inverse_hessian_product(gradient, gradient > 0)
    )
