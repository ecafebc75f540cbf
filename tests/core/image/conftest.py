"""Random images of a common size."""

import numpy as np
import pytest

from support.image_files import HEIGHT, WIDTH


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def colors(rng):
    """(H, W, 3) uint8."""
    return rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


@pytest.fixture
def pixels(rng):
    """(1, 3, H, W) float32, with values between those of a file."""
    return rng.random((1, 3, HEIGHT, WIDTH), dtype=np.float32)


@pytest.fixture
def alpha(rng):
    return rng.random((1, 1, HEIGHT, WIDTH), dtype=np.float32)
