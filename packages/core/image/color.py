"""A picture in the colours and contrasts of another, band by band: a start that is nearer to the painting.

NumPy and Pillow only. Pictures are (1, 3, H, W) float32 RGB in [0, 1].
"""

import numpy as np
from numpy.typing import NDArray

from core.arrays import Pixels
from core.image.resize import resample

LoadedImage = NDArray[np.float32]

SMALLEST_BAND = 16
"""Halving ends before a side would be shorter than this: colours of fewer pixels say nothing."""

MIN_EIGENVALUE = 1e-8
"""Lower bound of the eigenvalues of a covariance matrix; that of a grey image has eigenvalues of 0."""


def match_color_bands(content: LoadedImage, style: LoadedImage) -> LoadedImage:
    """`content` with every band of its Laplacian pyramid matched in colour to that of `style`.

    The pyramid of Burt and Adelson (1983) holds a picture as its details at each octave and a coarse rest. Each
    is given the mean and covariance of its counterpart, so that the result has the style's colours as well as
    its contrasts, fine and coarse. The two pictures may differ in size.
    """
    details = []
    while min(*content.shape[2:], *style.shape[2:]) >= 2 * SMALLEST_BAND:
        smaller_content, smaller_style = _halve(content), _halve(style)
        details.append(match_colors(content - _like(smaller_content, content), style - _like(smaller_style, style)))
        content, style = smaller_content, smaller_style
    result = match_colors(content, style)
    for detail in reversed(details):
        result = _like(result, detail) + detail
    return result.clip(0, 1)


def match_colors(pixels: LoadedImage, reference: LoadedImage) -> LoadedImage:
    """`pixels` mapped linearly to the mean and covariance of the colours of `reference`.

    Of all linear maps that do so it is the one of Monge and Kantorovich, which moves colours least (Pitié and
    Kokaram 2007, The linear Monge-Kantorovitch linear colour mapping for example-based colour transfer).
    """
    own, other = pixels[0].reshape(3, -1).astype(np.float64), reference[0].reshape(3, -1).astype(np.float64)
    own_mean, other_mean = own.mean(1, keepdims=True), other.mean(1, keepdims=True)
    root = _power(np.cov(own), 0.5)
    inverse = _power(np.cov(own), -0.5)
    transport = inverse @ _power(root @ np.cov(other) @ root, 0.5) @ inverse
    matched: LoadedImage = (transport @ (own - own_mean) + other_mean).reshape(pixels.shape).astype(np.float32)
    return matched


def _power(matrix: NDArray[np.float64], exponent: float) -> NDArray[np.float64]:
    """A power of a symmetric positive matrix; tiny eigenvalues, as of a grey picture, count as `MIN_EIGENVALUE`."""
    values, vectors = np.linalg.eigh(matrix)
    power: NDArray[np.float64] = (vectors * np.maximum(values, MIN_EIGENVALUE) ** exponent) @ vectors.T
    return power


def _halve(pixels: LoadedImage) -> LoadedImage:
    height, width = pixels.shape[2:]
    return resample(pixels, (width // 2, height // 2))


def _like(pixels: LoadedImage, reference: LoadedImage) -> LoadedImage:
    return resample(pixels, (reference.shape[3], reference.shape[2]))


LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue in the brightness Y of NTSC's YIQ, which Gatys et al. use."""


def match_colors_to(exemplar: Pixels, photograph: Pixels) -> Pixels:
    """A style (1, 3, h, w) with the mean and covariance of the photograph's colours, in [0, 1].

    The linear colour matching of arXiv 1606.05897, by the map that moves colours least.
    """
    return match_colors(exemplar, photograph).clip(0, 1)


def _luma(pixels: Pixels) -> Pixels:
    """(1, 1, H, W) of (1, 3, H, W)."""
    brightness: Pixels = np.tensordot(pixels[0], LUMA, axes=(0, 0))[None, None].astype(np.float32)
    return brightness
