"""Operation counts, against counts by hand, and the synthetic images."""

import numpy as np
import pytest

from bench.suites.cases import blend, count_flop, synthetic_image


def test_count_flop_of_vgg19_equals_the_count_by_hand() -> None:
    """To relu5_1 at 32 x 32: positions, times 9 products for each pair of input and output channels."""
    by_hand = (
        32 * 32 * (9 * 3 * 64 + 9 * 64 * 64)
        + 16 * 16 * (9 * 64 * 128 + 9 * 128 * 128)
        + 8 * 8 * (9 * 128 * 256 + 3 * 9 * 256 * 256)
        + 4 * 4 * (9 * 256 * 512 + 3 * 9 * 512 * 512)
        + 2 * 2 * (9 * 512 * 512)
    )
    assert count_flop(32, 32, gradient=False) == 2 * by_hand
    assert count_flop(32, 32, gradient=True) == 4 * by_hand


def test_count_flop_rounds_sizes_down_as_pooling_does() -> None:
    extra_column = count_flop(33, 32, gradient=False) - count_flop(32, 32, gradient=False)
    assert extra_column == 2 * 32 * (9 * 3 * 64 + 9 * 64 * 64)


def test_count_flop_at_512_pixels_is_about_0_38_teraflop() -> None:
    """The published figure for VGG-19 to relu5_1."""
    assert count_flop(512, 512, gradient=True) == pytest.approx(0.38e12, rel=0.02)


@pytest.mark.parametrize("size", [(16, 16), (37, 90), (224, 224)])
def test_synthetic_image_fills_the_range_and_depends_on_the_seed(size: tuple[int, int]) -> None:
    image = synthetic_image(*size, seed=1)
    assert image.shape == (1, 3, size[1], size[0])
    assert image.dtype == np.float32
    assert (image.min(), image.max()) == (0, 1)
    assert np.array_equal(image, synthetic_image(*size, seed=1))
    assert not np.array_equal(image, synthetic_image(*size, seed=2))


def test_blend_mixes_both_images() -> None:
    content, style = np.ones((1, 3, 2, 2), np.float32), np.zeros((1, 3, 2, 2), np.float32)
    assert np.allclose(blend(content, style), 0.7)
