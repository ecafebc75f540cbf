"""Dirt: fine texture of a result in places where the content is flat."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from core.arrays import Pixels
from core.image.color import luma

FLAT_SHARE = 0.25
"""Share of the pixels that count as flat."""

NEIGHBOURHOOD = 4.0
"""Standard deviation of the Gaussian neighbourhood in which the contrast of the content is computed, in pixels."""

TRANSITION = (0.2, 0.3)
"""Lower and upper edge of the transition band of the high-pass filter, in cycles per pixel.

Half the Nyquist frequency is 0.25.
"""


def low_contrast_mask(content: Pixels) -> NDArray[np.bool_]:
    """Return a mask (H, W) of the pixels of a content image around which its luma has the lowest contrast.

    The contrast is the standard deviation in a Gaussian neighbourhood. The share of flat pixels is `FLAT_SHARE`, or
    more where several have the same contrast.
    """
    values = luma(content)[0, 0].astype(np.float64)
    variance = gaussian_filter(values**2, NEIGHBOURHOOD) - gaussian_filter(values, NEIGHBOURHOOD) ** 2
    rounded = variance.round(9)  # rounding errors must not order pixels of equal contrast
    flat: NDArray[np.bool_] = rounded <= np.quantile(rounded, FLAT_SHARE)
    return flat


def high_frequency_energy(pixels: Pixels, places: NDArray[np.bool_] | None = None) -> float:
    """Return the mean square of the frequencies of an image above half the Nyquist frequency.

    Args:
        pixels: Image (1, 3, H, W).
        places: The pixels (H, W) over which the mean is taken; all if None.
    """
    squares = _high_frequencies(pixels[0].astype(np.float64)) ** 2
    return float(squares.mean() if places is None else squares[:, places].mean())


def dirt(pixels: Pixels, flat: NDArray[np.bool_], style_energy: float) -> float | None:
    """Return the high-frequency energy of a result where its content is flat, relative to that of the style image.

    None if the style image has none.
    """
    return high_frequency_energy(pixels, flat) / style_energy if style_energy else None


def _high_frequencies(planes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return planes (3, H, W) without their low frequencies: weights rise from 0 to 1 as a squared sine.

    The planes are mirrored at their edges, because a Fourier transform joins opposite edges.
    """
    height, width = planes.shape[1:]
    mirrored = np.pad(planes, ((0, 0), (0, height), (0, width)), mode="symmetric")
    rows, columns = np.fft.fftfreq(2 * height), np.fft.rfftfreq(2 * width)
    frequency = np.hypot(rows[:, None], columns)
    start, end = TRANSITION
    weight = np.sin(np.pi / 2 * ((frequency - start) / (end - start)).clip(0, 1)) ** 2
    filtered: NDArray[np.float64] = np.fft.irfft2(np.fft.rfft2(mirrored) * weight, s=mirrored.shape[1:])
    return filtered[:, :height, :width]
