"""Read images and masks from files, PIL images and arrays: (1, C, H, W) float32 in [0, 1], RGB in sRGB."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.arrays import Pixels, Size, size_of
from core.errors import UsageError
from core.image.color import luma
from core.image.compositing import over_white
from core.image.decoding import Decoded, check_shape, decode_array, decode_image, decode_samples
from core.image.opening import explain_errors, open_file, open_image
from core.image.orientation import is_transposed, upright
from core.image.png import find_exif, scale_transparent_grey, take_color_space
from core.image.reading_memory import ReadingMemory
from core.image.sixteen_bit import has_16_bit_colors, is_premultiplied, read_16_bit_samples
from core.image.tiff import needs_tifffile, read_tiff, read_tiff_size
from core.network.architecture import MIN_SIDE

ImageSource = str | os.PathLike[str] | Image.Image | NDArray[Any]
"""A path, a PIL image, or an array (H, W) or (H, W, 1 | 3 | 4): uint8, uint16 or float in [0, 1]."""

IMAGE_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
"""Suffixes of the files that count as images in a folder."""

OTHER_SUFFIXES = (".avif", ".heic", ".heif", ".j2k", ".jp2", ".jpx", ".jxl")
"""Suffixes of photographs in formats that are not read."""


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


def read_image(source: ImageSource, *, name: str = "image", memory: ReadingMemory | None = None) -> LoadedImage:
    """Read an image, apply its EXIF orientation and colour profile, and composite it over white.

    PNG and TIFF files and arrays are read with all bits.

    Args:
        source: The image; the first frame of an animation is read.
        name: Kind of the image in error messages, such as "content".
        memory: The memory that reading it may take.

    Raises:
        UsageError: The file does not exist, is damaged, too small or too large, or cannot be read faithfully; or the
            array has a wrong shape, type or range.
    """
    described = describe_source(source, name)
    size = _size_of(source, described)
    _check_sides(size, described)
    if memory:
        memory.claim(size, described)
    colors, alpha = _decode(source, described)
    if alpha is not None and alpha.min() == 1:
        alpha = None
    if alpha is not None:
        # The colours of transparent pixels are arbitrary and must not influence the features.
        colors = over_white(colors, alpha)
    return LoadedImage(_to_planes(colors, 3), None if alpha is None else _to_planes(alpha, 1))


def read_size(source: ImageSource, *, name: str = "image", memory: ReadingMemory | None = None) -> Size:
    """Return the width and height that `read_image` would give, from the header of a file where possible.

    Raises:
        UsageError: As `read_image`, except for errors that only decoding the pixels can detect.
    """
    described = describe_source(source, name)
    size = _size_of(source, described)
    _check_sides(size, described)
    if memory:
        memory.claim(size, described)
    return size


def check_mask(source: ImageSource, *, name: str = "region mask") -> None:
    """Check the header of a mask, which may have any size.

    Raises:
        UsageError: As `read_mask`, except for errors that only decoding the pixels can detect.
    """
    _size_of(source, describe_source(source, name))


def read_mask(source: ImageSource, *, name: str = "region mask", memory: ReadingMemory | None = None) -> Pixels:
    """Read a region mask (1, 1, H, W): the brightness of an image of any size, 0 where it is transparent.

    It is read like any image, but its values are numbers rather than colours: its colour profile is ignored, and white
    is the largest value of its own range, which may be 1 in a file with 8 bits.

    Raises:
        UsageError: The file does not exist or is damaged, a value is negative, or the mask is 0 everywhere.
    """
    described = describe_source(source, name)
    if memory:
        memory.claim(_size_of(source, described), described)
    colors, alpha = _decode(source, described, is_mask=True)
    planes = _to_planes(colors, colors.shape[2])
    mask = luma(planes).clip(0, 1) if planes.shape[1] == 3 else planes
    if alpha is not None:
        mask = mask * _to_planes(alpha, 1)
    if not mask.any():
        raise UsageError(
            f"{described} is entirely black, so its style would never be applied: use white where the style is wanted"
        )
    return mask


def _size_of(source: ImageSource, name: str) -> Size:
    """Return the upright width and height of an image in any form."""
    if isinstance(source, np.ndarray):
        height, width = check_shape(source, name)[:2]
        return width, height
    if isinstance(source, Image.Image):
        with explain_errors(name):
            source.load()
        return _upright_size(source)
    with open_file(source, name) as file:
        if needs_tifffile(file):
            return read_tiff_size(file, name)
        with open_image(file) as image:
            find_exif(file, image)
            return _upright_size(image)


def _decode(source: ImageSource, name: str, *, is_mask: bool = False) -> Decoded:
    """Return the upright colours and alpha of an image in any form."""
    if isinstance(source, np.ndarray):
        return decode_array(source, name, is_mask=is_mask)
    if isinstance(source, Image.Image):
        with explain_errors(name):
            return decode_image(upright(source), name, is_mask=is_mask)
    with open_file(source, name) as file:
        return _decode_file(file, name, is_mask=is_mask)


def _decode_file(file: BinaryIO, name: str, *, is_mask: bool) -> Decoded:
    if needs_tifffile(file):
        tiff = read_tiff(file, name)
        return decode_samples(
            tiff.values, name, premultiplied=tiff.premultiplied, profile=tiff.profile, is_mask=is_mask
        )
    with open_image(file) as image:
        space = take_color_space(file, image, name)
        scale_transparent_grey(image)
        if has_16_bit_colors(image):
            colors, alpha = decode_samples(
                read_16_bit_samples(file, image, name),
                name,
                premultiplied=is_premultiplied(image),
                transparent=image.info.get("transparency"),
                profile=image.info.get("icc_profile"),
                is_mask=is_mask,
            )
        else:
            colors, alpha = decode_image(upright(image), name, is_mask=is_mask)
    return (colors if space is None or is_mask else space.to_srgb(colors)), alpha


def list_images(folder: Path) -> list[Path]:
    """Return the image files of a folder, by their suffix, in alphabetical order; hidden files are not listed.

    Raises:
        UsageError: The folder also contains a photograph in a format that is not read.
    """
    # macOS writes metadata into hidden files such as ._photo.jpg.
    files = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".") and path.is_file()]
    for path in files:
        if path.suffix.lower() in OTHER_SUFFIXES:
            raise UsageError(
                f"folder {folder} contains {path.name}, a format that is not read: convert it to PNG or JPEG, or move "
                "it to another folder"
            )
    return [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]


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


def _upright_size(image: Image.Image) -> Size:
    width, height = image.size
    return (height, width) if is_transposed(image) else (width, height)


def _check_sides(size: Size, name: str) -> None:
    if min(size) < MIN_SIDE:
        raise UsageError(
            f"{name} has {size[0]}x{size[1]} px, but VGG needs at least {MIN_SIDE} px per side: use a larger image"
        )


def _to_planes(values: Pixels, channels: int) -> Pixels:
    """Return (H, W, C) or (H, W, 1) as a new array (1, `channels`, H, W)."""
    planes = values.transpose(2, 0, 1)[None]
    return np.array(np.broadcast_to(planes, (1, channels, *planes.shape[2:])), np.float32, order="C")
