"""Sums and means over tensors, and the memory layouts of features that they are computed in."""

from torch import Tensor

from core.network.dtypes import is_half


def sum_of_squares(values: Tensor) -> Tensor:
    """Return the sum of the squares of `values`, of any shape, summed one axis at a time.

    A single float32 sum over all axes loses digits, most of all in WebAssembly. Channels are summed first: for
    channels_last tensors any other order takes ten times as long.
    """
    total = values.square()
    for _ in range(values.ndim):
        total = total.sum(min(1, total.ndim - 1))
    return total


def mean_square(difference: Tensor) -> Tensor:
    """Return the mean of the squares over all axes."""
    return sum_of_squares(difference) / difference.numel()


def as_float32(features: Tensor) -> Tensor:
    """Convert half precision to float32; return other tensors unchanged."""
    return features.float() if is_half(features.dtype) else features


def flatten_positions(features: Tensor) -> Tensor:
    """View features (N, C, H, W) as (N, C, H·W), in the contiguous and in the channels_last layout."""
    return features.flatten(2) if features.is_contiguous() else features.permute(0, 2, 3, 1).flatten(1, 2).mT
