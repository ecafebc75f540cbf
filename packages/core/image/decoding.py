"""Decode arrays and PIL images to colour and alpha values in [0, 1]."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.arrays import Pixels
from core.errors import UsageError
from core.image.color_profile import srgb_profile, to_srgb
from core.image.rgb_space import RGBSpace

Decoded = tuple[Pixels, Pixels | None]
"""Colours (H, W, 1 | 3) and alpha (H, W, 1), float32 in [0, 1]; alpha is None if the source has none."""

_MAXIMA: dict[Any, float] = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535, np.dtype(np.uint32): 2**32 - 1}

_MASK_MAXIMA = (1, 255, 4095, 65535)
"""What white may be in a mask. Programs write masks as 0 and 1, or with 8, 12 or 16 bits, into wider types as well."""


def decode_array(array: NDArray[Any], name: str, *, is_mask: bool = False) -> Decoded:
    """Return the colours and alpha of an array.

    Args:
        array: (H, W) or (H, W, 1 | 3 | 4): uint8, uint16 or float in [0, 1]; a mask may have any real type.
        name: Name of the image in error messages.
        is_mask: Whether white is the smallest of `_MASK_MAXIMA` that is not exceeded.

    Raises:
        UsageError: The array has another shape, type or range.
    """
    height, width, channels = check_shape(array, name)
    values = array.reshape(height, width, channels)
    alpha = _to_unit_range(values[..., 3:], name, is_mask=is_mask) if channels == 4 else None
    return _to_unit_range(values[..., :3], name, is_mask=is_mask), alpha


def decode_samples(
    samples: NDArray[Any],
    name: str,
    *,
    premultiplied: bool = False,
    transparent: object = None,
    profile: bytes | None = None,
    is_mask: bool = False,
) -> Decoded:
    """Return the colours, converted to sRGB, and alpha of the samples of a file, with all their bits.

    Args:
        samples: (H, W, 1 | 2 | 3 | 4): grey or RGB, and alpha; unsigned integers, or floats in [0, 1].
        name: Name of the image in error messages.
        premultiplied: Whether the colours are multiplied by alpha.
        transparent: The sample of grey, or those of red, green and blue, that stand for transparent pixels.
        profile: The ICC profile; None for sRGB.
        is_mask: Whether the samples are those of a mask, as in `decode_array`; it has no colour profile.

    Raises:
        UsageError: The samples are signed or out of range, or the profile cannot be applied.
    """
    channels = samples.shape[2] - (samples.shape[2] + 1) % 2
    alpha = None
    if samples.shape[2] > channels:
        alpha = _to_unit_range(samples[..., channels:], name)
    elif transparent is not None:
        alpha = np.any(samples != np.asarray(transparent), axis=2, keepdims=True).astype(np.float32)
    colors = _to_unit_range(samples[..., :channels], name, is_mask=is_mask)
    if premultiplied and alpha is not None:
        colors = np.divide(colors, alpha, out=np.ones_like(colors), where=alpha > 0).clip(0, 1)
    if profile and profile != srgb_profile() and not is_mask:
        space = RGBSpace.from_icc(profile, channels, name)
        colors = space.to_srgb(colors) if space else colors
    return colors, alpha


def decode_image(image: Image.Image, name: str, *, is_mask: bool = False) -> Decoded:
    """Return the colours, converted to sRGB, and alpha of a PIL image. Grey images keep all 16 bits.

    The arguments are those of `decode_samples`.

    Raises:
        UsageError: An integer or float image has values out of range.
    """
    profile = image.info.get("icc_profile")
    if image.mode.startswith(("I", "F")):
        # convert() would clip at 255. Integer modes hold 16-bit values; the range of float modes is not specified.
        values = np.asarray(image)
        if image.mode == "I" and not is_mask:
            values = _to_unit_range(values, name, maximum=65535)
        transparent = image.info.get("transparency")
        return decode_samples(values[..., None], name, transparent=transparent, profile=profile, is_mask=is_mask)
    grey = image.mode in ("1", "L", "LA", "La")
    alpha = None
    if image.has_transparency_data:
        image = image.convert("LA" if grey else "RGBA")
        alpha = _to_unit_range(np.asarray(image.getchannel("A")), name)[..., None]
    if image.mode not in ("L", "RGB", "CMYK", "LAB"):
        image = image.convert("L" if grey else "RGB")
    values = np.asarray(image.convert("L" if grey else "RGB") if is_mask else to_srgb(image, profile))
    return _to_unit_range(values.reshape(image.height, image.width, -1), name, is_mask=is_mask), alpha


def check_shape(array: NDArray[Any], name: str) -> tuple[int, int, int]:
    """Return height, width and channels of an image array.

    Raises:
        UsageError: The array is not (H, W) or (H, W, 1 | 3 | 4), or is empty.
    """
    if array.ndim not in (2, 3) or (*array.shape, 1)[2] not in (1, 3, 4) or array.size == 0:
        raise UsageError(f"{name} has shape {array.shape}: expected (height, width) or (height, width, 1 | 3 | 4)")
    height, width, channels = (*array.shape, 1)[:3]
    return height, width, channels


def _to_unit_range(values: NDArray[Any], name: str, *, maximum: float | None = None, is_mask: bool = False) -> Pixels:
    """Return values of [0, `maximum`] as float32 in [0, 1]; excesses of the size of rounding errors are clipped.

    The default of `maximum` is that of the type, or for a mask the smallest of `_MASK_MAXIMA` that is not exceeded.
    """
    kind = values.dtype.kind
    if maximum is None:
        maximum = 1.0 if kind == "f" else _MAXIMA.get(values.dtype.newbyteorder("="))
    if kind not in "buif" or (maximum is None and not is_mask):
        raise UsageError(f"{name} has values of type {values.dtype}: expected uint8, uint16, or float in [0, 1]")
    low, high = float(values.min()), float(values.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise UsageError(f"{name} has values that are not finite: expected numbers in [0, 1]")
    if is_mask or maximum is None:
        maximum = next((white for white in _MASK_MAXIMA if high <= (1 + 1e-6) * white), high)
    if not -1e-6 * maximum <= low <= high <= (1 + 1e-6) * maximum:
        raise UsageError(f"{name} has values from {low:g} to {high:g}: scale or clip them to [0, {maximum:g}]")
    scaled = values.astype(np.float32)
    scaled /= np.float32(maximum)
    return scaled.clip(0, 1, out=scaled)
