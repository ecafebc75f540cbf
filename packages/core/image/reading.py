"""Read images and masks from files, PIL images and arrays: (1, C, H, W) float32 in [0, 1], RGB in sRGB."""

import os
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, TiffImagePlugin, UnidentifiedImageError

from core.arrays import Pixels, Size, size_of
from core.errors import UsageError
from core.files import reason
from core.image.decoding import check_shape, check_sides, decode_array, decode_image

ImageSource = str | os.PathLike[str] | Image.Image | NDArray[Any]
"""A path, a PIL image, or an array (H, W) or (H, W, 1 | 3 | 4): uint8, uint16 or float in [0, 1]."""

IMAGE_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
"""Suffixes of the files that count as images in a folder."""

MAX_PIXELS = 2**30
"""Largest number of pixels of an image that a trusted user names, 32768 x 32768; see `allow_large_images`."""

_EXIF_ERRORS = (SyntaxError, ValueError, TypeError, LookupError, struct.error)
"""Exceptions that Pillow raises for unreadable EXIF data of a readable image."""


@dataclass(frozen=True, eq=False)
class LoadedImage:
    """An image in sRGB, composited over white where it is transparent.

    Attributes:
        pixels: (1, 3, H, W) in [0, 1].
        alpha: (1, 1, H, W) in [0, 1]; None if every pixel is opaque.
    """

    pixels: Pixels
    alpha: Pixels | None = None

    @property
    def size(self) -> Size:
        """Width and height in pixels."""
        return size_of(self.pixels)


def read_image(source: ImageSource, *, name: str = "image") -> LoadedImage:
    """Read an image, apply its EXIF orientation and colour profile, and composite it over white.

    Pillow reads colour files with 16 bits per channel with 8 bits; grey files and arrays are read with all bits.

    Args:
        source: The image; the first frame of an animation is read.
        name: Kind of the image in error messages, such as "content".

    Raises:
        UsageError: The file does not exist, is damaged or too small, or the array has a wrong shape, type or range.
    """
    described = describe_source(source, name)
    if isinstance(source, np.ndarray):
        colors, alpha = decode_array(source, described)
    else:
        with open_image(source, described) as image:
            upright = _upright(image)
        check_sides(upright.size, described)
        colors, alpha = decode_image(upright, described)
    if alpha is not None and alpha.min() == 1:
        alpha = None
    if alpha is not None:
        # The colours of transparent pixels are arbitrary and must not influence the features.
        colors = colors * alpha + (1 - alpha)
    return LoadedImage(_to_planes(colors, 3), None if alpha is None else _to_planes(alpha, 1))


def read_size(source: ImageSource, *, name: str = "image") -> Size:
    """Return the width and height that `read_image` would give, from the header of a file where possible.

    Raises:
        UsageError: As `read_image`, except for errors that only decoding the pixels can detect.
    """
    described = describe_source(source, name)
    if isinstance(source, np.ndarray):
        height, width = check_shape(source, described)[:2]
        return width, height
    with open_image(source, described) as image:
        check_sides(image.size, described)
        width, height = image.size
        return (height, width) if _is_transposed(image) else (width, height)


def read_mask(source: ImageSource, *, name: str = "region mask") -> Pixels:
    """Read a region mask (1, 1, H, W): the brightness of an image with 8 bits, 0 where it is transparent.

    Raises:
        UsageError: The file does not exist or is damaged, or the mask is 0 everywhere.
    """
    described = describe_source(source, name)
    if isinstance(source, np.ndarray):
        source = Image.fromarray(_to_8_bits(source))
    with open_image(source, described) as image:
        grey_alpha = np.asarray(image.convert("RGBA").convert("LA"), np.float32) / 255
    mask: Pixels = np.ascontiguousarray((grey_alpha[..., 0] * grey_alpha[..., 1])[None, None])
    if not mask.any():
        raise UsageError(
            f"{described} is entirely black, so its style would never be applied: use white where the style is wanted"
        )
    return mask


@contextmanager
def open_image(source: str | os.PathLike[str] | Image.Image, name: str) -> Iterator[Image.Image]:
    """Open an image without decoding it, and convert exceptions of the block to errors about `name`.

    Raises:
        UsageError: The file does not exist, or it is damaged.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns of unusual metadata, and of images of one to two times its limit on pixels.
            warnings.simplefilter("ignore")
            if isinstance(source, Image.Image):
                yield source
                return
            # Given a path, Pillow would memory-map some TIFF files and decode rotated ones incorrectly.
            with Path(source).open("rb") as file, Image.open(file) as image:
                yield image
    except (UsageError, MemoryError):
        raise
    except Exception as error:  # Pillow's decoders raise exceptions of many types for damaged files
        raise UsageError(f"{name} {_explain(error)}") from error


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


def list_images(folder: Path) -> list[Path]:
    """Return the image files of a folder, by their suffix, in alphabetical order."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())


def describe_source(source: object, name: str) -> str:
    """Return the name of an image in error messages: its kind and, for a file, its path.

    Raises:
        UsageError: The source is none of the types of `ImageSource`.
    """
    if isinstance(source, str | os.PathLike):
        return f"{name} {os.fspath(source)}"
    if isinstance(source, np.ndarray):
        return f"{name} (array)"
    if isinstance(source, Image.Image):
        return f"{name} (PIL image)"
    raise UsageError(f"{name} is a {type(source).__name__}: expected a path, a PIL image or a NumPy array (H, W, C)")


def _upright(image: Image.Image) -> Image.Image:
    image.load()
    try:
        return ImageOps.exif_transpose(image)
    except _EXIF_ERRORS:
        return image.copy()


def _is_transposed(image: Image.Image) -> bool:
    """Return whether applying the EXIF orientation will exchange `image.size`."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return False  # Pillow returns the size of a TIFF file with its orientation applied
    with suppress(*_EXIF_ERRORS):
        return image.getexif().get(ExifTags.Base.Orientation) in (5, 6, 7, 8)
    return False


def _to_planes(values: Pixels, channels: int) -> Pixels:
    """Return (H, W, C) or (H, W, 1) as a new array (1, `channels`, H, W)."""
    planes = values.transpose(2, 0, 1)[None]
    return np.array(np.broadcast_to(planes, (1, channels, *planes.shape[2:])), np.float32, order="C")


def _to_8_bits(array: NDArray[Any]) -> NDArray[np.uint8]:
    array = array[..., 0] if array.shape[2:] == (1,) else array
    if array.dtype == np.uint8:
        return array
    return np.asarray(array // 257 if array.dtype.kind == "u" else 255 * array).astype(np.uint8)


def _explain(error: Exception) -> str:
    match error:
        case FileNotFoundError() | NotADirectoryError():
            return "does not exist: check the path"
        case IsADirectoryError():
            return "is a folder: name an image file in it"
        case UnidentifiedImageError():
            return "is not an image that Pillow can read: convert it to PNG or JPEG"
        case Image.DecompressionBombError():
            limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)
            return f"has more than {limit} pixels, the limit for untrusted images: reduce its size"
        case OSError(errno=int()):
            return f"cannot be read ({reason(error)}): check its permissions and the disk"
        case _:
            return f"is damaged or truncated ({error}): download or export it again"
