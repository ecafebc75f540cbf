"""Resampling in an ONNX graph: `core.image.resize.resize`."""

import math

import numpy as np

from export.graph.values import Value, arange, maximum, where

LOBES = 3
"""The Lanczos kernel that Pillow uses reaches three pixels to each side."""


def resize(image: Value, height: Value, width: Value) -> Value:
    """Resample (1, C, H, W) in [0, 1] by Lanczos with antialiasing, and clip the overshoot.

    Each axis is multiplied by a matrix whose rows are the weights of one output pixel.
    """
    columns, rows = (_weights(image.side(axis), side) for axis, side in ((3, width), (2, height)))
    return (rows @ (image @ columns.transposed())).clip(0, 1)


def _weights(old: Value, new: Value) -> Value:
    """Return the weights (new, old) of the pixels along one axis."""
    ratio = old.cast(np.float32) / new.cast(np.float32)
    stretch = maximum(ratio, Value.constant(1, np.float32))
    centers = (arange(new).cast(np.float32) + 0.5) * ratio
    distances = (arange(old).cast(np.float32) + 0.5 - centers.reshape(-1, 1)) / stretch
    kernel = _sinc(distances) * _sinc(distances / LOBES)
    weights = where(abs(distances) < LOBES, kernel, Value.constant(0, np.float32))
    return weights / weights.sum(1, keepdims=True)


def _sinc(values: Value) -> Value:
    """Return sin(πx) / (πx)."""
    small = abs(values) < 1e-6
    angle = where(small, Value.constant(1, np.float32), values * math.pi)
    return where(small, Value.constant(1, np.float32), angle.sin() / angle)
