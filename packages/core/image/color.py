"""Match the colours of images, and compute their luma. Images are (1, 3, H, W) float32 RGB in [0, 1]."""

import numpy as np
from numpy.typing import NDArray

from core.arrays import Pixels

LUMA_WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue in the luma Y of NTSC's YIQ, the colour space that Gatys et al. use."""

MIN_EIGENVALUE = 1e-8
"""Lower bound of the eigenvalues of a covariance of colours; that of a grey image has eigenvalues of 0."""


def match_colors(pixels: Pixels, reference: Pixels, weights: Pixels | None = None) -> Pixels:
    """Map the colours of `pixels` linearly to the mean and covariance of the colours of `reference`, without clipping.

    `weights` (1, 1, H, W), not all 0, weight the pixels of `reference`.

    Of all linear maps that do so this is the Monge-Kantorovich map, which changes colours least (Pitié and Kokaram
    2007, The linear Monge-Kantorovitch linear colour mapping for example-based colour transfer).
    """
    source, target = pixels[0].reshape(3, -1).astype(np.float64), reference[0].reshape(3, -1).astype(np.float64)
    each = None if weights is None else weights.ravel().astype(np.float64)
    source_mean, target_mean = source.mean(1, keepdims=True), np.average(target, 1, each)[:, None]
    root = _matrix_power(np.cov(source), 0.5)
    inverse = _matrix_power(np.cov(source), -0.5)
    transport = inverse @ _matrix_power(root @ np.cov(target, aweights=each) @ root, 0.5) @ inverse
    matched: Pixels = (transport @ (source - source_mean) + target_mean).reshape(pixels.shape).astype(np.float32)
    return matched


def match_colors_to(style: Pixels, content: Pixels) -> Pixels:
    """Return `style` with the mean and covariance of the colours of `content`, clipped to [0, 1].

    The linear colour matching of Gatys et al., Preserving Color in Neural Artistic Style Transfer (arXiv 1606.05897),
    but by the Monge-Kantorovich map.
    """
    return match_colors(style, content).clip(0, 1)


def luma(pixels: Pixels) -> Pixels:
    """Return the luma (1, 1, H, W) of an image."""
    weighted: Pixels = np.tensordot(pixels[0], LUMA_WEIGHTS, axes=(0, 0))[None, None].astype(np.float32)
    return weighted


def _matrix_power(matrix: NDArray[np.float64], exponent: float) -> NDArray[np.float64]:
    """Return a power of a symmetric positive matrix with eigenvalues of at least `MIN_EIGENVALUE`."""
    values, vectors = np.linalg.eigh(matrix)
    power: NDArray[np.float64] = (vectors * np.maximum(values, MIN_EIGENVALUE) ** exponent) @ vectors.T
    return power
