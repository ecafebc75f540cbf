"""Open image files: only regular files, only formats that the toolkit supports, and errors as one sentence."""

import ctypes
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from math import prod
from pathlib import Path
from typing import BinaryIO

import PIL._imaging
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from core.arrays import Size
from core.errors import StyleTransferError, UsageError
from core.files import check_regular, reason

MAX_PIXELS = 2**30
"""Largest number of pixels of an image that a trusted user names, 32768 x 32768; see `allow_large_images`."""

_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
"""The decoders of Pillow that may run. Other formats are seldom needed, and some start other programs."""

_MAX_METADATA = 2**26
"""Limit on a text or a colour profile of a PNG file in bytes; Pillow's own is 1 MB, which real files exceed."""


@contextmanager
def open_file(path: str | os.PathLike[str], name: str) -> Iterator[BinaryIO]:
    """Open a file for reading, and convert exceptions of the block to errors about `name`.

    Raises:
        UsageError: The file does not exist, is not a regular file or not an image, or is damaged.
    """
    check_regular(path, name)
    # Given a path, Pillow would memory-map some TIFF files and decode rotated ones incorrectly.
    with explain_errors(name), Path(path).open("rb") as file:
        yield file


@contextmanager
def open_image(file: BinaryIO) -> Iterator[Image.Image]:
    """Open an image without decoding it."""
    PngImagePlugin.MAX_TEXT_CHUNK = _MAX_METADATA
    _silence_libtiff()
    file.seek(0)
    with Image.open(file, formats=_FORMATS) as image:
        yield image


@contextmanager
def explain_errors(name: str) -> Iterator[None]:
    """Convert exceptions of the block to errors about the image `name`, except for those of the toolkit.

    Raises:
        UsageError: Another exception than `MemoryError` was raised.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns of unusual metadata, and of images of one to two times its limit on pixels.
            warnings.simplefilter("ignore")
            yield
    except (StyleTransferError, MemoryError):
        raise
    except Exception as error:  # decoders raise exceptions of many types for damaged files
        raise UsageError(f"{name} {_explain(error)}") from error


def check_pixels(size: Size) -> None:
    """Check the size of an image that Pillow does not decode as Pillow would.

    Raises:
        Image.DecompressionBombError: The image has more pixels than its source may have; see `allow_large_images`.
    """
    if Image.MAX_IMAGE_PIXELS is not None and prod(size) > 2 * Image.MAX_IMAGE_PIXELS:
        raise Image.DecompressionBombError


@contextmanager
def allow_large_images() -> Iterator[None]:
    """Allow images of up to `MAX_PIXELS` pixels in this block.

    Pillow refuses images of more than 179 million pixels as possible decompression bombs. This protects a server from
    its users, but not a user of the command line.
    """
    default, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, MAX_PIXELS // 2
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = default


@cache
def _silence_libtiff() -> None:
    """Stop libtiff from printing errors and warnings, where it is a shared library."""
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(PIL._imaging.__file__)
        for set_handler in (library.TIFFSetErrorHandler, library.TIFFSetWarningHandler):
            set_handler.argtypes, set_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
            set_handler(None)


def _explain(error: Exception) -> str:
    match error:
        case FileNotFoundError() | NotADirectoryError():
            return "does not exist: check the path"
        case UnidentifiedImageError():
            return "is not a JPEG, PNG, WebP, TIFF, BMP or GIF image: convert it to PNG or JPEG"
        case Image.DecompressionBombError():
            limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)
            return f"has more than {limit} pixels, the limit for untrusted images: reduce its size"
        case OSError(errno=int()):
            return f"cannot be read ({reason(error)}): check its permissions and the disk"
        case _:
            return f"is damaged or truncated ({error}): download or export it again"
