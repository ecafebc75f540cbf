import numpy as np

from core.image.color import luma, match_colors, match_colors_to

RNG = np.random.default_rng(1)


def statistics(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    flat = pixels[0].reshape(3, -1).astype(np.float64)
    return flat.mean(1), np.cov(flat)


def test_match_colors_gives_the_mean_and_covariance_of_the_reference() -> None:
    content, style = RNG.random((1, 3, 40, 30)), RNG.random((1, 3, 20, 50)) ** 3 @ np.eye(50) * 0.7
    matched = match_colors(content.astype(np.float32), style.astype(np.float32))
    for found, expected in zip(statistics(matched), statistics(style), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_matching_an_image_to_itself_does_not_change_it() -> None:
    content = RNG.random((1, 3, 40, 30), dtype=np.float32)
    np.testing.assert_allclose(match_colors(content, content), content, atol=1e-5)


def test_match_colors_accepts_a_grey_image() -> None:
    grey = np.repeat(RNG.random((1, 1, 40, 30), dtype=np.float32), 3, axis=1)
    assert np.isfinite(match_colors(grey, RNG.random((1, 3, 40, 30), dtype=np.float32))).all()


def test_match_colors_to_is_clipped() -> None:
    style, content = RNG.random((1, 3, 20, 20), dtype=np.float32), np.zeros((1, 3, 20, 20), np.float32)
    content[..., :10] = 1
    matched, unclipped = match_colors_to(style, content), match_colors(style, content)
    assert unclipped.min() < 0
    assert unclipped.max() > 1
    np.testing.assert_array_equal(matched, unclipped.clip(0, 1))


def test_luma_weights_red_green_and_blue() -> None:
    primaries = np.eye(3, dtype=np.float32).reshape(1, 3, 1, 3)
    np.testing.assert_allclose(luma(primaries), [[[[0.299, 0.587, 0.114]]]], rtol=1e-6)


def test_match_colors_to_the_weighted_pixels_of_the_reference() -> None:
    rng = np.random.default_rng(1)
    pixels, reference = rng.random((1, 3, 20, 30), dtype=np.float32), rng.random((1, 3, 16, 24), dtype=np.float32)
    reference[..., 12:] *= 0.2
    weights = np.zeros((1, 1, 16, 24), np.float32)
    weights[..., 12:] = 0.7
    np.testing.assert_allclose(
        match_colors(pixels, reference, weights), match_colors(pixels, reference[..., 12:]), atol=2e-3
    )
