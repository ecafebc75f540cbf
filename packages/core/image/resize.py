"""Change the size of images: (1, C, H, W) float32 arrays."""

import math
from typing import Literal

import numpy as np
from PIL import Image

from core.arrays import Pixels, Size
from core.errors import UsageError
from core.network.architecture import MIN_SIDE


def fit_size(size: Size, bound: int, side: Literal["long", "short"]) -> Size:
    """The size of the same shape, rounded to pixels, with one side bounded.

    Args:
        size: Width and height.
        bound: In pixels.
        side: "long" bounds the long side and never enlarges; "short" makes the short side exactly `bound`.

    Raises:
        UsageError: A side would be shorter than `MIN_SIDE`.
    """
    scale = min(1.0, bound / max(size)) if side == "long" else bound / min(size)
    width, height = (round(pixels * scale) for pixels in size)
    if min(width, height) < MIN_SIDE:
        least = MIN_SIDE if side == "short" else math.ceil(MIN_SIDE * max(size) / min(size))
        raise UsageError(
            f"a {side} side of {bound} px would make {size[0]}x{size[1]} px {width}x{height}, and VGG needs "
            f"{MIN_SIDE} a side: ask for at least {least}"
        )
    return width, height


def resize(pixels: Pixels, size: Size) -> Pixels:
    """A picture or alpha (1, C, H, W) in [0, 1] at another size (width, height): Lanczos, antialiased."""
    return resample(pixels, size).clip(0, 1)  # Lanczos overshoots at edges


def resample(pixels: Pixels, size: Size) -> Pixels:
    """(1, C, H, W) of any range at another size (width, height): Lanczos, antialiased, not clipped."""
    if size == (pixels.shape[3], pixels.shape[2]):
        return pixels.copy()
    planes = [
        np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.LANCZOS))
        for plane in pixels[0].astype(np.float32, copy=False)
    ]
    return np.stack(planes)[None]
