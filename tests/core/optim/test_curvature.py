"""Products with the inverse Hessian against the two-loop recursion of the textbook."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from core.optim import curvature
from core.optim.constants import LBFGS
from core.optim.curvature import LBFGSHistory, color_channels

SHAPE = (1, 3, 7, 11)
Pair = tuple[np.ndarray, np.ndarray]


def apply_h0(image: np.ndarray) -> np.ndarray:
    """Scale the luminance of every pixel by `luminance_scale` and leave its chrominance."""
    return image - (1 - LBFGS.luminance_scale) * image.mean(1, keepdims=True)


def two_loop_recursion(pairs: list[Pair], gradient: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Nocedal and Wright, algorithm 7.4, on pairs restricted to the free set; pairs without curvature are left out."""
    restricted = [(s * free, y * free) for s, y in pairs]
    newest_s, newest_y = restricted[-1]
    q, alpha = gradient * free, {}
    for i, (s, y) in reversed(list(enumerate(restricted))):
        if np.vdot(s, y) > 0:
            alpha[i] = np.vdot(s, q) / np.vdot(s, y)
            q = q - alpha[i] * y
    gamma = abs(np.vdot(newest_s, newest_y)) / np.vdot(newest_y, apply_h0(newest_y) * free)
    r = gamma * apply_h0(q) * free
    for i, (s, y) in enumerate(restricted):
        if i in alpha:
            beta = np.vdot(y, r) / np.vdot(s, y)
            r = r + (alpha[i] - beta) * s
    return r


def curvature_pairs(count: int) -> list[Pair]:
    """Steps and gradient changes of a diagonal Hessian with some negative entries: positive curvature only in total."""
    rng = np.random.default_rng(0)
    return [(s, s * rng.uniform(-0.3, 1, SHAPE)) for s in rng.normal(size=(count, *SHAPE))]


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
@pytest.mark.parametrize("count", [1, 4, 5, 13])
@pytest.mark.parametrize("active", [0, 0.1, 0.9])
def test_inverse_hessian_product_equals_the_two_loop_recursion_in_the_free_set(
    kind: Callable, count: int, active: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curvature, "PIXELS_PER_CHUNK", 50)  # several chunks, the last one smaller
    history, pairs = LBFGSHistory(5), curvature_pairs(count)
    for s, y in pairs:
        history.add(kind(s), kind(y))
    rng = np.random.default_rng(1)
    free = rng.uniform(size=SHAPE) >= active
    gradient = rng.normal(size=SHAPE) * free
    found = np.asarray(history.inverse_hessian_product(kind(gradient), kind(free)))
    np.testing.assert_allclose(found, two_loop_recursion(pairs[-5:], gradient, free), rtol=1e-9, atol=1e-12)
    assert not found[~free].any()


def test_inverse_hessian_product_without_pairs_is_the_gradient() -> None:
    gradient = np.ones(SHAPE)
    np.testing.assert_array_equal(LBFGSHistory(5).inverse_hessian_product(gradient, gradient > 0), gradient)


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_inverse_hessian_product_has_the_dtype_of_the_image(kind: Callable) -> None:
    history = LBFGSHistory(3)
    for s, y in curvature_pairs(4):
        history.add(kind(s.astype(np.float32)), kind(y.astype(np.float32)))
    gradient = kind(np.ones(SHAPE, np.float32))
    assert history.inverse_hessian_product(gradient, gradient > 0).dtype == gradient.dtype


def test_pairs_without_positive_curvature_are_not_stored() -> None:
    history, s = LBFGSHistory(5), np.ones(SHAPE)
    history.add(s, -s)
    history.add(s, 0 * s)
    assert not history
    history.add(s, s)
    assert len(history) == 1


def test_cleared_pairs_have_no_influence() -> None:
    pairs = curvature_pairs(6)
    cleared, fresh = LBFGSHistory(5), LBFGSHistory(5)
    for s, y in pairs[:4]:
        cleared.add(s, y)
    cleared.clear()
    for s, y in pairs[4:]:
        cleared.add(s, y)
        fresh.add(s, y)
    gradient = np.ones(SHAPE)
    products = (history.inverse_hessian_product(gradient, gradient > 0) for history in (cleared, fresh))
    np.testing.assert_array_equal(*products)


@pytest.mark.parametrize(("shape", "channels"), [((1, 3, 4, 5), 3), ((1, 1, 4, 5), 1), ((50,), 1), ((1, 3), 1)])
def test_color_channels(shape: tuple[int, ...], channels: int) -> None:
    assert color_channels(shape) == channels


@pytest.mark.parametrize("count", [2, 3, 6])
@pytest.mark.parametrize("size", [1, 2, 4, 7])
def test_a_history_is_restored_with_another_size_from_its_newest_pairs(size: int, count: int) -> None:
    """A run may resume with less memory, or with more, and so with another number of pairs."""
    stored, expected = LBFGSHistory(4), LBFGSHistory(size)
    pairs = curvature_pairs(count)
    for s, y in pairs:
        stored.add(s, y)
    for s, y in pairs[-min(size, 4) :]:
        expected.add(s, y)
    restored = LBFGSHistory(size)
    restored.restore({name: array.copy() for name, array in stored.arrays().items()}, stored.numbers())
    gradient, free = pairs[0][0], np.ones(SHAPE, bool)
    assert len(restored) == len(expected)
    np.testing.assert_allclose(
        restored.inverse_hessian_product(gradient, free), expected.inverse_hessian_product(gradient, free), rtol=1e-10
    )
    extra = curvature_pairs(count + 1)[-1]
    for history in (restored, expected):
        history.add(*extra)
    np.testing.assert_allclose(
        restored.inverse_hessian_product(gradient, free), expected.inverse_hessian_product(gradient, free), rtol=1e-10
    )
