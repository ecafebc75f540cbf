"""NumPy's arrays and PyTorch's, treated alike without importing PyTorch."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = Any
"""A NumPy array or a torch tensor, floating point, of any shape: a picture is (1, 3, H, W)."""


def empty(shape: tuple[int, ...], like: Array) -> Array:
    """An array of that shape, of the kind and type of `like` and where that lies, whose values are yet to be set."""
    return np.empty(shape, like.dtype) if isinstance(like, np.ndarray) else like.new_empty(shape)


def converted(values: np.ndarray, like: Array) -> Array:
    """A few numbers as an array of the kind and type of `like`."""
    return values.astype(like.dtype) if isinstance(like, np.ndarray) else like.new_tensor(values.tolist())


def on_host(array: Array) -> np.ndarray:
    """A few numbers, as NumPy's in double precision."""
    return np.array(array.tolist(), np.float64)


Pixels = NDArray[np.float32]
"""(1, C, H, W)."""
Size = tuple[int, int]
"""Width and height in pixels."""


def size_of(pixels: Pixels) -> Size:
    """Width and height of (1, C, H, W)."""
    return pixels.shape[3], pixels.shape[2]
