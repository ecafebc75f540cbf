"""Energy of known waves and noise, and low-contrast places of a known image."""

import numpy as np
import pytest

from bench.quality.dirt import dirt, high_frequency_energy, low_contrast_mask
from core.arrays import Pixels

HEIGHT, WIDTH = 48, 64


def wave(frequency: float, amplitude: float = 0.1) -> Pixels:
    """A cosine along the rows, with a whole number of half periods, that its mirror image continues."""
    columns = np.cos(2 * np.pi * frequency * (np.arange(WIDTH) + 0.5))
    return np.broadcast_to((0.5 + amplitude * columns).astype(np.float32), (1, 3, HEIGHT, WIDTH)).copy()


def noisy(deviation: float, base: Pixels | None = None) -> Pixels:
    noise = np.random.default_rng(0).normal(0, deviation, (1, 3, HEIGHT, WIDTH)).astype(np.float32)
    return noise + (0.5 if base is None else base)


@pytest.mark.parametrize(("frequency", "share"), [(0.125, 0), (0.1875, 0), (0.25, 0.25), (0.3125, 1), (0.4375, 1)])
def test_high_frequency_energy_of_a_wave(frequency: float, share: float) -> None:
    """A cosine has half its squared amplitude; the filter passes half the amplitude at half the Nyquist frequency."""
    assert high_frequency_energy(wave(frequency)) == pytest.approx(share * 0.1**2 / 2, abs=1e-7)


def test_edges_of_an_image_have_no_high_frequency_energy() -> None:
    """Left and right differ, but a ramp is smooth within the image."""
    ramp = np.broadcast_to(np.linspace(0, 1, WIDTH, dtype=np.float32), (1, 3, HEIGHT, WIDTH))
    assert high_frequency_energy(ramp) < 1e-6


def test_noise_raises_dirt_by_its_energy() -> None:
    flat, style = np.ones((HEIGHT, WIDTH), bool), high_frequency_energy(noisy(0.05))
    assert dirt(noisy(0.05), flat, style) == pytest.approx(1)
    assert dirt(noisy(0.10), flat, style) == pytest.approx(4, rel=1e-3)
    assert dirt(noisy(0.0), flat, style) == pytest.approx(0)


def test_noise_outside_the_flat_places_is_no_dirt() -> None:
    left = np.zeros((HEIGHT, WIDTH), bool)
    left[:, : WIDTH // 4] = True
    pixels = np.where(left, np.float32(0.5), noisy(0.1))
    inside, outside = dirt(pixels, left, 1.0), dirt(pixels, ~left, 1.0)
    assert inside is not None
    assert outside is not None
    assert inside < outside / 20


def test_dirt_is_undefined_for_a_style_image_without_fine_texture() -> None:
    assert dirt(noisy(0.1), np.ones((HEIGHT, WIDTH), bool), 0.0) is None


def test_the_low_contrast_mask_is_away_from_edges_and_texture() -> None:
    content = noisy(0.1)
    content[..., : WIDTH // 2] = 0.3
    flat = low_contrast_mask(content)
    assert flat[:, :10].all()
    assert not flat[:, WIDTH // 2 :].any()
    assert 0.25 <= flat.mean() < 0.5


def test_every_place_of_a_plain_image_is_flat() -> None:
    assert low_contrast_mask(np.full((1, 3, HEIGHT, WIDTH), 0.7, np.float32)).all()
