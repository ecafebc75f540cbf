"""Pictures in: from files, PIL images and arrays to (1, 3, H, W) float32 sRGB in [0, 1], and to other sizes.

NumPy and Pillow only. The way out is in `core.image_files`, whose names can be imported from here as well.
"""

import math
import os
import struct
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms, ImageOps, TiffImagePlugin

from core.errors import UsageError
from core.image_files import (
    RECORD_KEY,
    check_output,
    large_pictures,
    opened,
    read_record,
    to_image,
    write_picture,
)

__all__ = [
    "MIN_SIDE",
    "RECORD_KEY",
    "Picture",
    "PictureSource",
    "Pixels",
    "Size",
    "check_output",
    "describe_source",
    "fit_size",
    "large_pictures",
    "quantise",
    "read_picture",
    "read_record",
    "read_size",
    "resample",
    "resize",
    "size_of",
    "to_image",
    "write_picture",
]

Pixels = NDArray[np.float32]
"""(1, C, H, W)."""
Size = tuple[int, int]
"""Width and height in pixels."""
PictureSource = str | os.PathLike[str] | Image.Image | NDArray[Any]
"""A path, a PIL image, or an array (H, W) or (H, W, 1 | 3 | 4): uint8, uint16 or float in [0, 1]."""

MIN_SIDE = 16
"""VGG halves a picture four times: below this many pixels a side nothing is left of it at relu5_1."""

_BROKEN_EXIF = (SyntaxError, ValueError, TypeError, LookupError, struct.error)
"""What Pillow raises where EXIF data cannot be read although the picture can: then it stays as it lies."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture as the objective takes it: sRGB, (1, 3, H, W) in [0, 1], over white where it was transparent.

    `alpha` is (1, 1, H, W) in [0, 1], and None where every pixel is opaque.
    """

    pixels: Pixels
    alpha: Pixels | None = None

    @property
    def size(self) -> Size:
        """Width and height in pixels."""
        return size_of(self.pixels)


def size_of(pixels: Pixels) -> Size:
    """Width and height of (1, C, H, W)."""
    return pixels.shape[3], pixels.shape[2]


def read_picture(source: PictureSource, *, name: str = "picture") -> Picture:
    """Read a picture upright, in sRGB, and over white where it is transparent.

    The EXIF orientation and an embedded colour profile are applied. Of colour files with 16 bits a channel
    Pillow reads the upper 8; grey ones, and arrays, keep all.

    Args:
        source: The picture; of an animation the first frame counts.
        name: What an error calls it, such as "content".

    Raises:
        UsageError: There is no such picture, or it is damaged, too small, or not what an array should be.
    """
    what = describe_source(source, name)
    if isinstance(source, np.ndarray):
        levels, alpha = _from_array(source, what)
    else:
        with opened(source, what) as image:
            upright = _upright(image)
        _check_sides(upright.size, what)
        levels, alpha = _from_image(upright, what)
    if alpha is not None and alpha.min() == 1:
        alpha = None
    if alpha is not None:
        # Colours of transparent pixels are arbitrary, and the optimiser must not take them for content.
        levels = levels * alpha + (1 - alpha)
    return Picture(_planes(levels, 3), None if alpha is None else _planes(alpha, 1))


def read_size(source: PictureSource, *, name: str = "picture") -> Size:
    """Width and height as `read_picture` would give them, without decoding the pixels where the header tells.

    Raises:
        UsageError: As `read_picture`, apart from what only decoding shows.
    """
    what = describe_source(source, name)
    if isinstance(source, np.ndarray):
        height, width = _checked_shape(source, what)[:2]
        return width, height
    with opened(source, what) as image:
        _check_sides(image.size, what)
        width, height = image.size
        return (height, width) if _lies_sideways(image) else (width, height)


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


def quantise(pixels: Pixels, bit_depth: int = 8) -> Pixels:
    """What a file of that many bits a channel delivers of `pixels`: clipped to [0, 1] and rounded."""
    top = np.float32(2**bit_depth - 1)
    return np.asarray(np.rint(pixels.clip(0, 1) * top) / top, np.float32)


def describe_source(source: object, name: str) -> str:
    """What an error calls a picture: its kind and its path, if it has one.

    Raises:
        UsageError: It is nothing that a picture can be read from.
    """
    if isinstance(source, str | os.PathLike):
        return f"{name} {os.fspath(source)}"
    if isinstance(source, Image.Image | np.ndarray):
        return f"{name} {'array' if isinstance(source, np.ndarray) else 'image'}"
    raise UsageError(f"{name} is a {type(source).__name__}: expected a path, a PIL image or a NumPy array (H, W, C)")


def _from_array(array: NDArray[Any], what: str) -> tuple[Pixels, Pixels | None]:
    """Colours (H, W, 1|3) and alpha (H, W, 1), in [0, 1]."""
    height, width, channels = _checked_shape(array, what)
    tops: dict[Any, float] = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}
    top = 1.0 if array.dtype.kind == "f" else tops.get(array.dtype.newbyteorder("="))
    if top is None:
        raise UsageError(f"{what} has values of type {array.dtype}: expected uint8, uint16, or float in [0, 1]")
    levels = _unit(array, top, what).reshape(height, width, channels)
    return levels[..., :3], levels[..., 3:] if channels == 4 else None


def _checked_shape(array: NDArray[Any], what: str) -> tuple[int, int, int]:
    if array.ndim not in (2, 3) or (*array.shape, 1)[2] not in (1, 3, 4):
        raise UsageError(f"{what} has shape {array.shape}: expected (height, width) or (height, width, 1 | 3 | 4)")
    height, width, channels = (*array.shape, 1)[:3]
    _check_sides((width, height), what)
    return height, width, channels


def _check_sides(size: Size, what: str) -> None:
    if min(size) < MIN_SIDE:
        raise UsageError(f"{what} has {size[0]}x{size[1]} px, and VGG needs {MIN_SIDE} a side: choose a larger one")


def _unit(values: NDArray[Any], top: float, what: str) -> Pixels:
    """Values of [0, `top`], or past it by a rounding error, as float32 in [0, 1]."""
    low, high = float(values.min()), float(values.max())
    if not -1e-6 * top <= low <= high <= (1 + 1e-6) * top:  # which NaN fails as well
        raise UsageError(f"{what} has values from {low:g} to {high:g}: scale or clip them to [0, {top:g}]")
    return (values.astype(np.float32) / np.float32(top)).clip(0, 1)


def _upright(image: Image.Image) -> Image.Image:
    image.load()
    try:
        return ImageOps.exif_transpose(image)
    except _BROKEN_EXIF:
        return image.copy()


def _lies_sideways(image: Image.Image) -> bool:
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return False  # Pillow gives the size of a TIFF upright, before it has turned it
    with suppress(*_BROKEN_EXIF):
        return image.getexif().get(ExifTags.Base.Orientation) in (5, 6, 7, 8)
    return False


def _from_image(image: Image.Image, what: str) -> tuple[Pixels, Pixels | None]:
    """Colours (H, W, 1|3) and alpha (H, W, 1), in [0, 1]."""
    profile = image.info.get("icc_profile")
    if image.mode.startswith(("I", "F")):
        # Pillow's own conversion clips at 255. Its integers hold 16 bits; its floats mean nothing certain.
        levels = _unit(np.asarray(image), 1 if image.mode == "F" else 65535, what)[..., None]
        if not profile:
            return levels, None
        # Colour management answers in 8 bits anyway.
        image = Image.fromarray(np.rint(levels[..., 0] * 255).astype(np.uint8))
    grey = image.mode in ("1", "L", "LA", "La")
    alpha = None
    if image.has_transparency_data:
        image = image.convert("LA" if grey else "RGBA")
        alpha = _unit(np.asarray(image.getchannel("A")), 255, what)[..., None]
    if image.mode not in ("L", "RGB", "CMYK", "LAB"):
        image = image.convert("L" if grey else "RGB")
    colours = np.asarray(_to_srgb(image, profile))
    return _unit(colours, 255, what), alpha


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """An L, RGB, CMYK or LAB image as sRGB, with 8 bits a channel.

    A profile that is broken, or made for other colours than the picture's, is ignored without a word: viewers
    do so as well, and the picture is meant as its owner sees it there.
    """
    if not profile:
        return image.convert("RGB")
    try:
        given = ImageCms.ImageCmsProfile(BytesIO(profile))
        if given.profile.xcolor_space.strip() == "RGB":
            image = image.convert("RGB")  # grey pictures often carry the profile of a screen
        # What Little CMS precomputes is good for RGB, but dark grey and Lab would be off by up to 20 levels.
        effort = ImageCms.Flags.HIGHRESPRECALC if image.mode == "RGB" else ImageCms.Flags.NOOPTIMIZE
        srgb, intent = ImageCms.createProfile("sRGB"), ImageCms.Intent.PERCEPTUAL
        return ImageCms.buildTransform(given, srgb, image.mode, "RGB", intent, effort).apply(image)
    except (OSError, ValueError, ImageCms.PyCMSError):
        return image.convert("RGB")


def _planes(levels: Pixels, channels: int) -> Pixels:
    """(H, W, C) or (H, W, 1) as a new (1, `channels`, H, W)."""
    planes = levels.transpose(2, 0, 1)[None]
    return np.array(np.broadcast_to(planes, (1, channels, *planes.shape[2:])), np.float32, order="C")
