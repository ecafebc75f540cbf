"""The lower bound of the variance that the style loss `moments` divides by, for every backend. Without PyTorch."""

from core.arrays import Array

RELATIVE, ABSOLUTE = 1e-3, 1e-9
"""The variance floor is `RELATIVE` times the mean square of the features, plus `ABSOLUTE`."""


def variance_floor(mean_square: Array) -> Array:
    """Return a lower bound of the variance of features, given their mean square, a number or an array.

    The features of uniform style images have no variance, and may all be zero.
    """
    return RELATIVE * mean_square + ABSOLUTE
