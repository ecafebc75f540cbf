"""Resampling in a graph against Pillow."""

import numpy as np
import pytest

from core.image.resize import resize as resize_with_pillow
from export.painter.resizing import resize
from support.graphs import computed


@pytest.mark.parametrize("size", [(16, 16), (53, 37), (27, 19), (90, 64), (200, 16)])
def test_images_are_resampled_as_by_pillow(size: tuple[int, int]) -> None:
    width, height = size
    image = np.random.default_rng(0).random((1, 3, 37, 53), dtype=np.float32).round()  # black and white overshoot
    found = computed(resize, image, np.int64(height), np.int64(width))
    np.testing.assert_allclose(found, resize_with_pillow(image, size), atol=1e-5)
