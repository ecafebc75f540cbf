"""What a workload is counted as, against counts by hand."""

import numpy as np
import pytest

from bench.suites.cases import blend, flop_of, picture


def test_the_operations_of_vgg19_by_hand() -> None:
    """To relu5_1 at 32 x 32: positions, then for each convolution 9 products of its channels in and out."""
    by_hand = (
        32 * 32 * (9 * 3 * 64 + 9 * 64 * 64)
        + 16 * 16 * (9 * 64 * 128 + 9 * 128 * 128)
        + 8 * 8 * (9 * 128 * 256 + 3 * 9 * 256 * 256)
        + 4 * 4 * (9 * 256 * 512 + 3 * 9 * 512 * 512)
        + 2 * 2 * (9 * 512 * 512)
    )
    assert flop_of(32, 32, gradient=False) == 2 * by_hand
    assert flop_of(32, 32, gradient=True) == 4 * by_hand


def test_what_poolings_round_away_is_not_counted() -> None:
    assert flop_of(33, 32, gradient=False) - flop_of(32, 32, gradient=False) == 2 * 32 * (9 * 3 * 64 + 9 * 64 * 64)


def test_an_evaluation_at_512_pixels_is_about_0_38_teraflop() -> None:
    """The figure the field quotes for VGG-19 to relu5_1."""
    assert flop_of(512, 512, gradient=True) == pytest.approx(0.38e12, rel=0.02)


@pytest.mark.parametrize("size", [(16, 16), (37, 90), (224, 224)])
def test_pictures_fill_the_range_and_repeat(size: tuple[int, int]) -> None:
    made = picture(*size, seed=1)
    assert made.shape == (1, 3, size[1], size[0])
    assert made.dtype == np.float32
    assert (made.min(), made.max()) == (0, 1)
    assert np.array_equal(made, picture(*size, seed=1))
    assert not np.array_equal(made, picture(*size, seed=2))


def test_a_blend_is_neither_of_its_pictures() -> None:
    content, style = np.ones((1, 3, 2, 2), np.float32), np.zeros((1, 3, 2, 2), np.float32)
    assert np.allclose(blend(content, style), 0.7)
