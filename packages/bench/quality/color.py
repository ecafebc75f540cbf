"""Colour: the sliced Wasserstein distance of the colours of two images, in CIELAB."""

import itertools

import numpy as np
from numpy.typing import NDArray

from core.arrays import Pixels

QUANTILES = 1024
"""Number of quantiles of a projection."""

_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
"""Linear sRGB to CIE XYZ (IEC 61966-2-1)."""


def color_quantiles(pixels: Pixels) -> NDArray[np.float64]:
    """Return the quantiles (13, `QUANTILES`) of the colours of an image in 13 directions of CIELAB."""
    levels = (np.arange(QUANTILES) + 0.5) / QUANTILES
    quantiles: NDArray[np.float64] = np.quantile(_directions() @ to_lab(pixels), levels, axis=1).T
    return quantiles


def color_difference(quantiles: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return √3 times the sliced 2-Wasserstein distance of colours, in units of CIELAB (ΔE of 1976).

    With this factor a shift of all colours by the same vector gives the length of the vector.
    """
    return float(np.sqrt(3 * np.mean((quantiles - other) ** 2)))


def to_lab(pixels: Pixels) -> NDArray[np.float64]:
    """Return the colours (3, H·W) of an sRGB image (1, 3, H, W) in CIELAB with its white, D65 (CIE 15)."""
    encoded = pixels[0].reshape(3, -1).astype(np.float64)
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    x, y, z = _compressed(_TO_XYZ @ linear / _TO_XYZ.sum(1, keepdims=True))
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def _compressed(xyz: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)


def _directions() -> NDArray[np.float64]:
    """Return the 13 axes of symmetry of a cube as unit vectors (13, 3).

    Unlike random directions they are the same in every run, and the mean square of the projections of a vector is
    exactly a third of its squared length.
    """
    axes = np.array([axis for axis in itertools.product((-1, 0, 1), repeat=3) if axis > (0, 0, 0)], np.float64)
    directions: NDArray[np.float64] = axes / np.linalg.norm(axes, axis=1, keepdims=True)
    return directions
