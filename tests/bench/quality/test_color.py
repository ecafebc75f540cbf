"""Colours in CIELAB against published values, and distances of known shifts."""

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.quality import color
from bench.quality.color import color_difference, color_quantiles, to_lab
from core.arrays import Pixels


def noise(seed: int, *, width: int = 20, low: float = 0.2, high: float = 0.8) -> Pixels:
    return np.random.default_rng(seed).uniform(low, high, (1, 3, 16, width)).astype(np.float32)


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [
        # B. Lindbloom, http://www.brucelindbloom.com/ColorCalculator.html, sRGB with its white D65
        ((1, 1, 1), (100, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((1, 0, 0), (53.2408, 80.0925, 67.2032)),
        ((0, 1, 0), (87.7347, -86.1827, 83.1793)),
        ((0, 0, 1), (32.2970, 79.1875, -107.8602)),
    ],
)
def test_to_lab_gives_published_values(rgb: tuple[int, ...], lab: tuple[float, ...]) -> None:
    pixels = np.array(rgb, np.float32).reshape(1, 3, 1, 1)
    assert to_lab(pixels)[:, 0] == pytest.approx(lab, abs=0.01)


@pytest.mark.parametrize("shift", [(7.0, 0.0, 0.0), (0.0, -3.0, 4.0), (1.0, 2.0, -2.0)])
def test_a_shift_of_all_colors_is_its_length(shift: tuple[float, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = noise(0)
    before = color_quantiles(pixels)

    def shifted(image: Pixels) -> NDArray[np.float64]:
        moved: NDArray[np.float64] = to_lab(image) + np.array(shift)[:, None]
        return moved

    monkeypatch.setattr(color, "to_lab", shifted)
    assert color_difference(color_quantiles(pixels), before) == pytest.approx(np.linalg.norm(shift))


def test_a_brighter_grey_differs_by_its_lightness() -> None:
    """L* of the greys 0.2 and 0.6 by the formulas of CIE 15 and IEC 61966-2-1."""
    lightness = [116 * (((grey + 0.055) / 1.055) ** 2.4) ** (1 / 3) - 16 for grey in (0.2, 0.6)]
    greys = [np.full((1, 3, 4, 4), grey, np.float32) for grey in (0.2, 0.6)]
    difference = color_difference(*map(color_quantiles, greys))
    assert difference == pytest.approx(lightness[1] - lightness[0], abs=0.01)


def test_equal_colors_in_other_places_and_numbers_do_not_differ() -> None:
    pixels = noise(0)
    shuffled = pixels.reshape(1, 3, -1)[..., np.random.default_rng(1).permutation(320)].reshape(1, 3, 8, 40)
    assert color_difference(color_quantiles(pixels), color_quantiles(shuffled)) == pytest.approx(0, abs=1e-9)
    assert color_difference(color_quantiles(noise(2, width=2000)), color_quantiles(noise(3, width=1500))) < 0.5


def test_exchanged_channels_differ() -> None:
    warm = noise(0) * np.array([1, 0.5, 0.2], np.float32)[:, None, None]
    assert color_difference(color_quantiles(warm), color_quantiles(warm[:, ::-1])) > 20
