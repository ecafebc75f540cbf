"""Array types, and operations on NumPy arrays and torch tensors alike that do not import PyTorch."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = Any
"""A floating-point NumPy array or torch tensor of any shape; an image is (1, 3, H, W)."""

Pixels = NDArray[np.float32]
"""An image, alpha channel or mask (1, C, H, W)."""

Size = tuple[int, int]
"""Width and height in pixels."""


def size_of(pixels: Pixels) -> Size:
    """Return the width and height of (1, C, H, W)."""
    return pixels.shape[3], pixels.shape[2]


def empty(shape: tuple[int, ...], like: Array) -> Array:
    """Return an uninitialised array with the type, data type and device of `like`."""
    return np.empty(shape, like.dtype) if isinstance(like, np.ndarray) else like.new_empty(shape)


def flipped(array: Array) -> Array:
    """Return the array with its last axis reversed."""
    return array[..., ::-1] if isinstance(array, np.ndarray) else array.flip(-1)


def converted(values: np.ndarray, like: Array) -> Array:
    """Return `values`, a small array, with the type, data type and device of `like`."""
    return values.astype(like.dtype) if isinstance(like, np.ndarray) else like.new_tensor(values.tolist())


def on_host(array: Array) -> np.ndarray:
    """Return a small array as a NumPy array in float64."""
    return np.array(array.tolist(), np.float64)
