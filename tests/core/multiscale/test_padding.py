"""Reflection at the edges against NumPy's, and its backward against the definition of an adjoint."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from core.arrays import Array
from core.multiscale.padding import NETWORK_GREY, Margin, reflect, reflect_backward
from core.network.weights import PREPROCESSINGS, Preprocessing

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


def test_a_margin_keeps_the_image_and_fades_its_reflection_into_grey() -> None:
    image = RNG.random((1, 3, 20, 30), dtype=np.float32)
    padded = Margin.around((30, 20), 8).add(image)
    reflected = reflect(image, 8)
    np.testing.assert_array_equal(padded[..., 8:-8, 8:-8], image)
    np.testing.assert_allclose(padded[..., :1, :], np.broadcast_to(NETWORK_GREY, (1, 3, 1, 46)), atol=0.02)
    shares = (padded[0, 0, 8:-8, :8] - NETWORK_GREY[0, 0]) / (reflected[0, 0, 8:-8, :8] - NETWORK_GREY[0, 0])
    assert (np.diff(shares, axis=1) > 0).all()
    assert 0 < shares.min() < 0.02
    assert 0.98 < shares.max() < 1


@pytest.mark.parametrize("width", [0, 1, 4])
def test_the_backward_of_a_margin_is_the_adjoint(width: int) -> None:
    image, change = RNG.random((2, 1, 3, 5, 8))
    margin = Margin.around((8, 5), width)
    gradient = RNG.random((1, 3, 5 + 2 * width, 8 + 2 * width))
    product = ((margin.add(image + change) - margin.add(image)) * gradient).sum()
    assert (change * margin.add_backward(gradient)).sum() == pytest.approx(product, rel=1e-6)


@pytest.mark.parametrize("preprocessing", PREPROCESSINGS.values(), ids=PREPROCESSINGS)
def test_networks_read_the_grey_as_zero(preprocessing: Preprocessing) -> None:
    grey = NETWORK_GREY.ravel()[["RGB".index(channel) for channel in preprocessing.order]]
    np.testing.assert_allclose((grey - preprocessing.mean) * 255, 0, atol=1)
