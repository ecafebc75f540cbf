"""The least variance that the style loss `moments` divides by, for every backend. Without PyTorch."""

from core.arrays import Array


def least_variance(mean_square: Array) -> Array:
    """Return a lower bound of the variance of features, given their mean square, a number or an array.

    The features of uniform style images have no variance, and may all be zero.
    """
    return 1e-3 * mean_square + 1e-9
