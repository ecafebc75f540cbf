"""The margin in a graph against `core.multiscale.padding`."""

import numpy as np
import pytest

from core.multiscale.padding import Margin as MarginInNumPy
from export.painter.margin import Margin
from support.graphs import computed

GENERATOR = np.random.default_rng(0)


@pytest.mark.parametrize(("size", "width"), [((53, 37), 16), ((17, 20), 16), ((24, 24), 1)])
def test_margin_and_its_backward_equal_those_in_numpy(size: tuple[int, int], width: int) -> None:
    columns, rows = size
    expected = MarginInNumPy.around(size, width)
    image = GENERATOR.random((1, 3, rows, columns), dtype=np.float32)
    found = computed(lambda image, width: Margin(width).add(image), image, np.int64(width))
    np.testing.assert_allclose(found, expected.add(image), atol=1e-6)
    gradient = GENERATOR.standard_normal(found.shape).astype(np.float32)
    back = computed(lambda gradient, width: Margin(width).add_backward(gradient), gradient, np.int64(width))
    np.testing.assert_allclose(back, expected.add_backward(gradient.copy()), atol=1e-5)
