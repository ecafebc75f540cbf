"""Turn images upright, as their EXIF or TIFF orientation requires."""

import struct
from contextlib import suppress
from typing import Any

from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, TiffImagePlugin

_EXIF_ERRORS = (SyntaxError, ValueError, TypeError, LookupError, struct.error)
"""Exceptions that Pillow raises for unreadable EXIF data of a readable image."""

_TRANSPOSING = (5, 6, 7, 8)
"""Orientations that exchange width and height."""


def upright(image: Image.Image) -> Image.Image:
    """Decode an image and return it with its EXIF orientation applied."""
    image.load()
    try:
        return ImageOps.exif_transpose(image)
    except _EXIF_ERRORS:
        return image.copy()


def upright_array(samples: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Return samples (H, W, C) with an orientation from 1 to 8 applied; another number counts as 1."""
    if orientation in _TRANSPOSING:
        samples = samples.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    return samples[:, ::-1] if orientation in (2, 3, 6, 7) else samples


def is_transposed(image: Image.Image) -> bool:
    """Return whether applying the EXIF orientation will exchange `image.size`."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return False  # Pillow returns the size of a TIFF file with its orientation applied
    with suppress(*_EXIF_ERRORS):
        # The method of PngImageFile would decode the pixels, to find EXIF data after them.
        return exchanges_sides(Image.Image.getexif(image).get(ExifTags.Base.Orientation))
    return False


def exchanges_sides(orientation: object) -> bool:
    """Return whether an orientation exchanges width and height."""
    return orientation in _TRANSPOSING
