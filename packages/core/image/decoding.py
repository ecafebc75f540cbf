"""Decode arrays and PIL images to colour and alpha values in [0, 1]."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.arrays import Pixels, Size
from core.errors import UsageError
from core.image.color_profile import to_srgb
from core.network.architecture import MIN_SIDE

Decoded = tuple[Pixels, Pixels | None]
"""Colours (H, W, 1 | 3) and alpha (H, W, 1), float32 in [0, 1]; alpha is None if the source has none."""

_MAXIMA: dict[Any, float] = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}


def decode_array(array: NDArray[Any], name: str) -> Decoded:
    """Return the colours and alpha of an array.

    Args:
        array: (H, W) or (H, W, 1 | 3 | 4): uint8, uint16 or float in [0, 1].
        name: Name of the image in error messages.

    Raises:
        UsageError: The array has another shape, type or range, or is too small.
    """
    height, width, channels = check_shape(array, name)
    maximum = 1.0 if array.dtype.kind == "f" else _MAXIMA.get(array.dtype.newbyteorder("="))
    if maximum is None:
        raise UsageError(f"{name} has values of type {array.dtype}: expected uint8, uint16, or float in [0, 1]")
    values = _to_unit_range(array, maximum, name).reshape(height, width, channels)
    return values[..., :3], values[..., 3:] if channels == 4 else None


def decode_image(image: Image.Image, name: str) -> Decoded:
    """Return the colours, converted to sRGB, and alpha of a PIL image.

    Pillow decodes colour images with 16 bits per channel to their upper 8 bits. Grey images keep all 16 bits unless
    they have a colour profile, which is applied with 8 bits.

    Raises:
        UsageError: An integer or float image has values out of range.
    """
    profile = image.info.get("icc_profile")
    if image.mode.startswith(("I", "F")):
        # convert() would clip at 255. Integer modes hold 16-bit values; the range of float modes is not specified.
        values = _to_unit_range(np.asarray(image), 1 if image.mode == "F" else 65535, name)[..., None]
        if not profile:
            return values, None
        image = Image.fromarray(np.rint(values[..., 0] * 255).astype(np.uint8))
    grey = image.mode in ("1", "L", "LA", "La")
    alpha = None
    if image.has_transparency_data:
        image = image.convert("LA" if grey else "RGBA")
        alpha = _to_unit_range(np.asarray(image.getchannel("A")), 255, name)[..., None]
    if image.mode not in ("L", "RGB", "CMYK", "LAB"):
        image = image.convert("L" if grey else "RGB")
    return _to_unit_range(np.asarray(to_srgb(image, profile)), 255, name), alpha


def check_shape(array: NDArray[Any], name: str) -> tuple[int, int, int]:
    """Return height, width and channels of an image array.

    Raises:
        UsageError: The array is not (H, W) or (H, W, 1 | 3 | 4), or it is too small.
    """
    if array.ndim not in (2, 3) or (*array.shape, 1)[2] not in (1, 3, 4):
        raise UsageError(f"{name} has shape {array.shape}: expected (height, width) or (height, width, 1 | 3 | 4)")
    height, width, channels = (*array.shape, 1)[:3]
    check_sides((width, height), name)
    return height, width, channels


def check_sides(size: Size, name: str) -> None:
    """Check that an image is large enough for the network.

    Raises:
        UsageError: A side is shorter than `MIN_SIDE`.
    """
    if min(size) < MIN_SIDE:
        raise UsageError(
            f"{name} has {size[0]}x{size[1]} px, but VGG needs at least {MIN_SIDE} px per side: use a larger image"
        )


def _to_unit_range(values: NDArray[Any], maximum: float, name: str) -> Pixels:
    """Return values of [0, `maximum`] as float32 in [0, 1]; excesses of the size of rounding errors are clipped."""
    low, high = float(values.min()), float(values.max())
    if not -1e-6 * maximum <= low <= high <= (1 + 1e-6) * maximum:  # this comparison also fails for NaN
        raise UsageError(f"{name} has values from {low:g} to {high:g}: scale or clip them to [0, {maximum:g}]")
    return (values.astype(np.float32) / np.float32(maximum)).clip(0, 1)
