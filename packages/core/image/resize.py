"""Change the size of images, (1, C, H, W) float32."""

import math
from typing import Literal

import numpy as np
from PIL import Image

from core.arrays import Pixels, Size, size_of
from core.errors import UsageError
from core.network.architecture import MIN_SIDE


def fit_size(size: Size, bound: int, side: Literal["long", "short"], name: str = "an image") -> Size:
    """Return a size with the same aspect ratio, rounded to pixels, and one side bounded.

    Args:
        size: Width and height in pixels.
        bound: Bound in pixels.
        side: "long" bounds the long side and never upscales; "short" makes the short side exactly `bound`.
        name: Name of the image in error messages.

    Raises:
        UsageError: A side would be shorter than `MIN_SIDE`.
    """
    scale = min(1.0, bound / max(size)) if side == "long" else bound / min(size)
    width, height = (round(pixels * scale) for pixels in size)
    if min(width, height) < MIN_SIDE:
        required = MIN_SIDE if side == "short" else math.ceil(MIN_SIDE * max(size) / min(size))
        raise UsageError(
            f"a {side} side of {bound} px resizes {name} from {size[0]}x{size[1]} px to {width}x{height} px, but VGG "
            f"needs at least {MIN_SIDE} px per side: use at least {required} px"
        )
    return width, height


def resize(pixels: Pixels, size: Size) -> Pixels:
    """Resample an image, alpha channel or mask in [0, 1] to (width, height) and clip the overshoot of Lanczos."""
    return resample(pixels, size).clip(0, 1)


def resample(pixels: Pixels, size: Size) -> Pixels:
    """Resample (1, C, H, W) of any range to (width, height) by Lanczos with antialiasing, without clipping."""
    if size == size_of(pixels):
        return pixels.copy()
    planes = [
        np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.LANCZOS))
        for plane in pixels[0].astype(np.float32, copy=False)
    ]
    return np.stack(planes)[None]
