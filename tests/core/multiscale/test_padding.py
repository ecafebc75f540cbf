"""Reflection at the edges against NumPy's, and its backward against the definition of an adjoint."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from core.arrays import Array
from core.multiscale.padding import reflect, reflect_backward

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("as_array", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
@pytest.mark.parametrize("margin", [0, 1, 4])
def test_reflect_equals_that_of_numpy(margin: int, as_array: Callable[[np.ndarray], Array]) -> None:
    image = RNG.random((1, 3, 5, 8))
    expected = np.pad(image, [(0, 0), (0, 0), (margin, margin), (margin, margin)], mode="reflect")
    np.testing.assert_array_equal(reflect(as_array(image), margin), expected)


@pytest.mark.parametrize("as_array", [np.array, torch.tensor], ids=["numpy", "torch"])
@pytest.mark.parametrize("margin", [0, 1, 4])
def test_reflect_backward_is_the_adjoint(margin: int, as_array: Callable[[np.ndarray], Array]) -> None:
    image = RNG.random((1, 3, 5, 8))
    gradient = RNG.random((1, 3, 5 + 2 * margin, 8 + 2 * margin))
    product = (reflect(image, margin) * gradient).sum()
    backward = reflect_backward(as_array(gradient), margin)
    assert backward.shape == image.shape
    assert float((image * np.asarray(backward)).sum()) == pytest.approx(product, rel=1e-12)
