"""Read the TIFF files that Pillow cannot read, or reads wrongly, with tifffile.

These have more than 8 bits per sample: float and 32-bit samples, and colours in separate planes.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import UnidentifiedImageError

from core.arrays import Size
from core.errors import UsageError
from core.image.opening import check_pixels, open_image
from core.image.orientation import exchanges_sides, upright_array

_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_BITS_PER_SAMPLE, _PHOTOMETRIC, _PLANAR_CONFIGURATION = 258, 262, 284
_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB = 0, 1, 2
_SEPARATE = 2
_ASSOCIATED_ALPHA, _UNASSOCIATED_ALPHA = 1, 2

_LARGEST_TILE = 2**22
"""Samples that a tile may have beyond those of the image; tifffile allocates whole tiles."""


@dataclass(frozen=True, eq=False)
class TiffSamples:
    """The samples of a TIFF file.

    Attributes:
        values: (H, W, 1 | 2 | 3 | 4): grey or RGB, and alpha; upright, and 0 is black.
        premultiplied: Whether the colours are multiplied by alpha.
        profile: The ICC profile.
    """

    values: NDArray[Any]
    premultiplied: bool
    profile: bytes | None


def needs_tifffile(file: BinaryIO) -> bool:
    """Return whether an opened file is a TIFF file that Pillow cannot read correctly."""
    file.seek(0)
    if file.read(4) not in _SIGNATURES:
        return False
    try:
        with open_image(file) as image:
            tags: Any = image.getexif()
            bits = np.ravel(tags.get(_BITS_PER_SAMPLE, 1))
            planes = tags.get(_PLANAR_CONFIGURATION) == _SEPARATE and image.mode not in ("F", "I;16", "I;16B")
            inverted = tags.get(_PHOTOMETRIC) == _MIN_IS_WHITE
            return bool(max(bits) > 8 and (planes or inverted or image.mode == "I"))
    except UnidentifiedImageError:
        return True


def read_tiff_size(file: BinaryIO, name: str) -> Size:
    """Return the width and height of the first image of a file, upright, from its header."""
    with _first_page(file, name) as page:
        size = int(page.imagewidth), int(page.imagelength)
        return (size[1], size[0]) if exchanges_sides(_orientation(page)) else size


def read_tiff(file: BinaryIO, name: str) -> TiffSamples:
    """Return the samples of the first image of a file.

    Raises:
        UsageError: The layout is not supported, or the file is truncated.
    """
    with _first_page(file, name) as page:
        values = _decode(page, name)
        if page.planarconfig == _SEPARATE and page.samplesperpixel > 1:
            values = np.moveaxis(values, 0, -1)
        values = upright_array(values.reshape(*values.shape[:2], -1), _orientation(page))
        profile = page.tags.valueof("InterColorProfile")
        channels = 3 if page.photometric == _RGB else 1
        if page.photometric == _MIN_IS_WHITE:
            values[..., 0] = (1 if values.dtype.kind == "f" else np.iinfo(values.dtype).max) - values[..., 0]
        # Files without the tag ExtraSamples store alpha in a fourth channel.
        kinds = [int(kind) for kind in page.extrasamples] or [_UNASSOCIATED_ALPHA]
        has_alpha = values.shape[2] > channels and kinds[0] in (_ASSOCIATED_ALPHA, _UNASSOCIATED_ALPHA)
        return TiffSamples(values[..., : channels + has_alpha], kinds[0] == _ASSOCIATED_ALPHA, profile)


@contextmanager
def _first_page(file: BinaryIO, name: str) -> Iterator[Any]:
    import tifffile

    tifffile.logger().setLevel(logging.CRITICAL)  # it would print beside the error of a damaged file
    file.seek(0)
    with tifffile.TiffFile(file) as tiff:
        page = tiff.pages.first
        check_pixels((page.imagewidth, page.imagelength))
        if page.photometric not in (_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB) or page.imagedepth != 1:
            colors = getattr(page.photometric, "name", page.photometric)
            raise UsageError(
                f"{name} is a TIFF file of {colors} colours with {page.bitspersample} bits per sample, which cannot be "
                "read: save it as RGB or grey with 8 or 16 bits"
            )
        yield page


def _decode(page: Any, name: str) -> NDArray[Any]:
    """Decode an image; tifffile would replace missing data by black."""
    if prod(page.chunks) > max(prod(page.shape), _LARGEST_TILE):
        raise ValueError("its tiles are larger than the image")
    end = os.fstat(page.parent.filehandle.fileno()).st_size
    segments = list(zip(page.dataoffsets, page.databytecounts, strict=False))
    # tifffile merges the segments of uncompressed data that are contiguous.
    complete = page.nbytes <= sum(page.databytecounts) if page.compression == 1 else len(segments) >= prod(page.chunked)
    if not complete or any(offset <= 0 or count <= 0 or offset + count > end for offset, count in segments):
        raise ValueError("image data is missing")
    try:
        values: NDArray[Any] = page.asarray()
    except (ValueError, NotImplementedError, KeyError) as error:
        if "imagecodecs" not in str(error):
            raise
        compression = getattr(page.compression, "name", page.compression)
        raise UsageError(
            f"{name} is a TIFF file with {page.bitspersample} bits per sample in a layout that cannot be read with "
            f"{compression} compression: save it without compression, or as PNG"
        ) from error
    return values


def _orientation(page: Any) -> int:
    orientation = page.tags.valueof("Orientation")
    return orientation if isinstance(orientation, int) else 1
