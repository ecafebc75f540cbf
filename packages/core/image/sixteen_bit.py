"""Read all bits of PNG and TIFF files with 16 bits per channel, of which Pillow keeps the upper 8."""

import sys
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.errors import UsageError
from core.image.opening import open_image
from core.image.orientation import upright

_SWAPPED = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
"""The other byte order, for the last letter of a raw mode such as "RGB;16B"."""


def has_16_bit_colors(image: Image.Image) -> bool:
    """Return whether Pillow would reduce the samples of an opened PNG or TIFF file from 16 bits to 8."""
    return ";16" in _raw_mode(image) and not image.mode.startswith("I")


def read_16_bit_samples(file: BinaryIO, image: Image.Image, name: str) -> NDArray[np.uint16]:
    """Return the upright samples (H, W, 2 | 3 | 4) of a file: grey or RGB, and alpha.

    Pillow unpacks the upper byte of every sample. With the opposite byte order it unpacks the lower one, so the file
    is decoded twice.

    Args:
        file: The file.
        image: The image that Pillow opened from it.
        name: Name of the image in error messages.

    Raises:
        UsageError: The samples are neither grey nor RGB.
    """
    mode = _raw_mode(image)
    if mode.startswith("LA"):  # a pixel has four bytes, in big-endian order
        return _decode_as(file, "RGBA").view(">u2").astype(np.uint16)
    if not mode.startswith("RGB"):
        raise UsageError(f"{name} has {mode[:-4]} colours with 16 bits per channel: convert it to RGB, or to 8 bits")
    mode = mode.replace("RGBa", "RGBA")
    samples = _decode_as(file, mode).astype(np.uint16)
    samples <<= 8
    samples |= _decode_as(file, mode[:-1] + _SWAPPED[mode[-1]])
    return samples


def is_premultiplied(image: Image.Image) -> bool:
    """Return whether the file holds colours multiplied by alpha, which `read_16_bit_samples` does not divide out."""
    return _raw_mode(image).startswith("RGBa")


def _raw_mode(image: Any) -> str:
    """Return how Pillow will unpack the samples of an opened file, such as "RGB;16B"."""
    args = image.tile[0].args if image.tile else ""
    return args if isinstance(args, str) else str(args[0]) if args else ""


def _decode_as(file: BinaryIO, mode: str) -> NDArray[np.uint8]:
    with open_image(file) as image:
        opened: Any = image
        opened.tile = [
            tile._replace(args=mode if isinstance(tile.args, str) else (mode, *tile.args[1:])) for tile in opened.tile
        ]
        return np.asarray(upright(image))
