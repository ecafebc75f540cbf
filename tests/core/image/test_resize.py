import numpy as np
import pytest

from core.errors import UsageError
from core.image.resize import fit_size, resample, resize
from core.network.architecture import MIN_SIDE
from support.image_files import HEIGHT, WIDTH


@pytest.mark.parametrize(
    ("size", "bound", "side", "expected"),
    [
        ((1000, 500), 512, "long", (512, 256)),
        ((500, 1000), 512, "long", (256, 512)),
        ((300, 200), 512, "long", (300, 200)),
        ((300, 200), 512, "short", (768, 512)),
        ((1000, 333), 100, "short", (300, 100)),
        ((1024, 683), 512, "long", (512, 342)),
        ((640, 640), 16, "long", (16, 16)),
    ],
)
def test_fit_size(size, bound, side, expected):
    assert fit_size(size, bound, side) == expected


@pytest.mark.parametrize(
    ("size", "bound", "side", "least"),
    [
        ((1600, 100), 100, "long", 256),
        ((100, 1000), 15, "short", 16),
        ((999, 101), 20, "long", 159),
        ((64, 64), 0, "long", 16),
    ],
)
def test_fit_size_reports_the_smallest_valid_bound(size, bound, side, least):
    with pytest.raises(UsageError, match=f"VGG needs at least 16 px per side: use at least {least} px$"):
        fit_size(size, bound, side)
    assert min(fit_size(size, least, side)) >= MIN_SIDE


@pytest.mark.parametrize("size", [(13, 31), (60, 40), (24, 20), (7, 100)])
def test_resize_preserves_a_constant(size):
    result = resize(np.full((1, 3, HEIGHT, WIDTH), 0.3, np.float32), size)
    assert result.shape == (1, 3, size[1], size[0])
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, 0.3, atol=1e-6)


@pytest.mark.parametrize("change_size", [resize, resample])
def test_resizing_to_the_same_size_returns_a_copy(pixels, change_size):
    same = change_size(pixels, (WIDTH, HEIGHT))
    np.testing.assert_array_equal(same, pixels)
    assert not np.shares_memory(same, pixels)


def test_resize_preserves_the_mean_and_is_antialiased(rng):
    noise = rng.random((1, 1, 128, 128), dtype=np.float32)
    assert resize(noise, (32, 32)).mean() == pytest.approx(noise.mean(), abs=2e-3)
    stripes = np.tile(np.array([0, 1], np.float32), (1, 1, 128, 64))
    inside = resize(stripes, (32, 128))[..., 4:-4]
    np.testing.assert_allclose(inside, 0.5, atol=0.01)  # without antialiasing: 0 or 1


@pytest.mark.parametrize("width", [32, 128])
def test_resize_preserves_a_ramp(width):
    ramp = np.tile(np.linspace(0.1, 0.9, 64, dtype=np.float32), (1, 1, 16, 1))
    centres = (np.arange(width) + 0.5) * 64 / width - 0.5
    expected = 0.1 + 0.8 * centres / 63
    edge = 4 * width // 64 + 4  # Lanczos reaches past the border there
    result = resize(ramp, (width, 16))[0, 0, 8]
    np.testing.assert_allclose(result[edge:-edge], expected[edge:-edge], atol=2e-3)


def test_resize_clips_the_overshoot_and_resample_does_not():
    step = np.zeros((1, 1, 32, 32), np.float32)
    step[..., 16:] = 1
    free, clipped = resample(step, (64, 64)), resize(step, (64, 64))
    assert free.min() < -0.01
    assert free.max() > 1.01
    np.testing.assert_array_equal(clipped, free.clip(0, 1))
