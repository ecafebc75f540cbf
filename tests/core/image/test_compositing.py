"""Composites over white, and the colours that they were made of."""

import numpy as np

from core.image.compositing import over_white, without_white


def test_over_white_by_hand():
    colors = np.float32([[1, 0], [0.5, 0], [0, 0]]).reshape(1, 3, 1, 2)
    alpha = np.float32([0.25, 0]).reshape(1, 1, 1, 2)
    np.testing.assert_array_equal(over_white(colors, alpha)[0, :, 0], [[1, 1], [0.875, 1], [0.75, 1]])


def test_colors_are_recovered_where_the_image_is_not_transparent(pixels, alpha):
    alpha[..., :3] = 0
    recovered = without_white(over_white(pixels, alpha), alpha)
    visible = alpha[0, 0] > 0.05  # less alpha magnifies the rounding of the composite
    np.testing.assert_allclose(recovered[0][:, visible], pixels[0][:, visible], atol=1e-5)
    np.testing.assert_array_equal(recovered[..., :3], 1)  # white, as the composite


def test_composites_darker_than_any_color_are_clipped(pixels, alpha):
    """An optimised image may be darker than alpha allows."""
    recovered = without_white(pixels * 0, alpha)
    assert (recovered == 0).all()
    dark = without_white(np.full_like(pixels, 0.5), np.full_like(alpha, 0.25))
    assert (dark == 0).all()


def test_inputs_are_not_modified(pixels, alpha):
    before = pixels.copy(), alpha.copy()
    without_white(over_white(pixels, alpha), alpha)
    without_white(pixels, alpha)
    np.testing.assert_array_equal(pixels, before[0])
    np.testing.assert_array_equal(alpha, before[1])
