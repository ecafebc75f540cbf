"""Styles: one or more style images with a loss weight, a region and a crop."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any, Self

import numpy as np
from PIL import Image

from core.arrays import Pixels, Size, size_of
from core.config.options import integer, real, shown
from core.config.transfer_config import MAX_WEIGHT
from core.errors import UsageError
from core.files import exists, is_folder
from core.image.reading import (
    IMAGE_SUFFIXES,
    ImageSource,
    describe_source,
    list_images,
    read_image,
    read_mask,
    read_size,
)
from core.image.reading_memory import ReadingMemory
from core.image.resize import resize

_WEIGHT = re.compile(r"(?P<path>.+):(?P<weight>[0-9.]+(?:e-?[0-9]+)?)")
_CROP = re.compile(r"(?P<path>.+)@(?P<box>\d+,\d+,\d+,\d+)")

Box = tuple[int, int, int, int]
"""Left, top, width and height in pixels."""


@dataclass(frozen=True)
class Style:
    """A style as the user specifies it.

    Attributes:
        images: Style images; their statistics are averaged, weighted by area.
        weight: Weight relative to the other styles of the run, from 1e-20 to 1e20.
        region: Mask of any size: white where the style is applied, black where it is not; None for everywhere.
        crop: Part of every image that is used; None for all of it.
        mask: Mask of the style image, of any size: white where its style counts, black where it does not; None for
            everywhere. Only for a single image.

    Raises:
        UsageError: A value has another type, there is no image, the weight is out of range, or a mask is given for
            several images.
    """

    images: tuple[ImageSource, ...]
    weight: float = 1.0
    region: ImageSource | None = None
    crop: Box | None = None
    mask: ImageSource | None = None

    def __post_init__(self) -> None:
        """Convert every value into its stored form, and refuse values that cannot work."""
        if not isinstance(self.images, tuple | list):
            raise UsageError(f"the images of a style are {shown(self.images)}: expected a tuple of images")
        if not self.images:
            raise UsageError("a style has no image: give at least one")
        for image in self.images:
            describe_source(image, "style")  # raises for another type
        for mask, name in ((self.region, "region mask"), (self.mask, "style mask")):
            if mask is not None:
                describe_source(mask, name)
        object.__setattr__(self, "images", tuple(self.images))
        object.__setattr__(self, "weight", _checked_weight(self.weight))
        object.__setattr__(self, "crop", _checked_crop(self.crop))
        if self.mask is not None and len(self.images) > 1:
            raise UsageError(f"a style of {len(self.images)} images has a style mask: give it for a style of one image")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `PATH[@LEFT,TOP,WIDTH,HEIGHT][:WEIGHT]`, where PATH is an image file or a folder of images.

        Text that is the path of an existing file is not split, even if it ends like a crop or a weight.

        Raises:
            UsageError: The path is empty, the folder contains no image, or the weight is not a positive number.
        """
        if not text.strip():  # an unset variable of a shell; `Path` would take it for the current folder
            raise UsageError("a style is empty: give an image file, or a folder of images")
        weight, crop = 1.0, None
        if not exists(text) and (match := _WEIGHT.fullmatch(text)):
            text, weight = match["path"], _parse_weight(match["weight"])
        if not exists(text) and (match := _CROP.fullmatch(text)):
            left, top, width, height = map(int, match["box"].split(","))
            text, crop = match["path"], (left, top, width, height)
        return cls(_images_at(Path(text)), weight, None, crop)

    @property
    def name(self) -> str:
        """A name for output files: that of the image file, or of the folder if there are several images."""
        first = self.images[0]
        if not isinstance(first, str | PathLike):
            return "style"
        return Path(first).stem if len(self.images) == 1 else Path(first).parent.name


StyleSource = ImageSource | Style | Sequence[Style]
"""The `style` argument of `stylize`: an image, a style, or several styles."""


@dataclass(frozen=True, eq=False)
class StyleExemplar:
    """A style with its images and mask loaded, as the objective uses it.

    Attributes:
        images: (1, 3, h, w) RGB in [0, 1] each, of any sizes: NumPy arrays, or torch tensors inside a PyTorch backend.
        weight: Weight relative to the other styles.
        mask: (1, 1, H, W) in [0, 1], at the size of the output image inside an objective; None for everywhere.
        style_mask: How much each position of the only image counts, (1, 1, h, w) in [0, 1]; None for equally.
    """

    images: tuple[Any, ...]
    weight: float = 1.0
    mask: Any | None = None
    style_mask: Any | None = None

    def resized(self, size: Size, style_sizes: Sequence[Size]) -> Self:
        """Return the exemplar for an output image of `size`, with its own images resized to `style_sizes`."""
        return replace(
            self,
            images=tuple(resize(pixels, own) for pixels, own in zip(self.images, style_sizes, strict=True)),
            mask=None if self.mask is None else resize(self.mask, size),
            style_mask=None if self.style_mask is None else resize(self.style_mask, style_sizes[0]),
        )


def as_styles(source: StyleSource) -> tuple[Style, ...]:
    """Return the `style` argument of `stylize` as a tuple of styles.

    Raises:
        UsageError: The sequence is empty, or a style is of none of these types.
    """
    if isinstance(source, Style):
        return (source,)
    if isinstance(source, str | PathLike | Image.Image | np.ndarray) or not isinstance(source, Iterable):
        return (Style((source,)),)
    styles = tuple(style if isinstance(style, Style) else Style((style,)) for style in source)
    if not styles:
        raise UsageError("no style was given: give at least one")
    return styles


def read_style(style: Style, memory: ReadingMemory | None = None) -> StyleExemplar:
    """Read the images and the masks of a style at their own sizes, the style mask at that of the image.

    All are read within `memory`.

    Raises:
        UsageError: An image cannot be read or is too large, the crop exceeds it, or a mask is entirely black.
    """
    pixels = [read_image(source, name="style", memory=memory).pixels for source in style.images]
    names = style_names([style])
    images = tuple(_crop(one, style.crop, name) for one, name in zip(pixels, names, strict=True))
    mask = None if style.region is None else read_mask(style.region, memory=memory)
    style_mask = None
    if style.mask is not None:
        whole = resize(read_mask(style.mask, name="style mask", memory=memory), size_of(pixels[0]))
        style_mask = _crop(whole, style.crop, names[0])
        if not style_mask.any():
            raise UsageError("the style mask is black in all of the crop: choose another crop or mask")
    return StyleExemplar(images, style.weight, mask, style_mask)


def style_sizes(style: Style, memory: ReadingMemory | None = None) -> tuple[Size, ...]:
    """Return the sizes of the images of a style after cropping, from the headers of files where possible.

    Raises:
        UsageError: An image cannot be read, or the crop exceeds it.
    """
    sizes = tuple(read_size(source, name="style", memory=memory) for source in style.images)
    if style.crop is None:
        return sizes
    for size, name in zip(sizes, style_names([style]), strict=True):
        _check_crop(style.crop, size, name)
    return (style.crop[2:],) * len(sizes)


def style_names(styles: Sequence[Style]) -> list[str]:
    """Return the name of every image of the styles, for error messages."""
    return [describe_source(source, "style") for style in styles for source in style.images]


def assign_regions(styles: Sequence[Style], regions: Sequence[str]) -> tuple[Style, ...]:
    """Return the styles with the regions of `--region MASK=STYLE`.

    STYLE is a style as `Style.parse` reads it, or its position, counted from 1. A style with the same images is meant
    if it also has the crop and the weight that STYLE gives. If there is none without a region, another style is added.

    Raises:
        UsageError: A region is not of the form MASK=STYLE.
    """
    assigned = list(styles)
    for region in regions:
        mask, name = _split_assignment(region, "--region")
        meant = _named(assigned, name)
        at = next((index for index in meant if assigned[index].region is None), None)
        if at is not None:
            assigned[at] = replace(assigned[at], region=mask)
        else:
            assigned.append(replace(assigned[meant[0]] if meant else Style.parse(name), region=mask))
    return tuple(assigned)


def assign_style_masks(styles: Sequence[Style], masks: Sequence[str]) -> tuple[Style, ...]:
    """Return the styles with the style masks of `--style-mask MASK=STYLE`.

    STYLE is as in `assign_regions`; styles that only a region names come last.

    Raises:
        UsageError: A style mask is not of the form MASK=STYLE, STYLE is no style without a mask, or it has several
            images.
    """
    assigned = list(styles)
    for text in masks:
        mask, name = _split_assignment(text, "--style-mask")
        at = next((index for index in _named(assigned, name) if assigned[index].mask is None), None)
        if at is None:
            raise UsageError(
                f"--style-mask is {text!r}, but no style without a style mask is called {name!r}: expected the path of "
                "a style or its number, such as sky.png=1"
            )
        assigned[at] = replace(assigned[at], mask=mask)
    return tuple(assigned)


def _split_assignment(text: str, flag: str) -> tuple[str, str]:
    mask, equals, name = text.partition("=")
    if not (mask and equals and name):
        raise UsageError(f"{flag} is {text!r}: expected MASK=STYLE, such as sky.png=starry.jpg")
    return mask, name


def _named(styles: Sequence[Style], name: str) -> list[int]:
    """Return the indices of the styles that `name` means: a position counted from 1, or a style."""
    if name in map(str, range(1, len(styles) + 1)):
        return [int(name) - 1]
    wanted = Style.parse(name)
    return [
        index
        for index, style in enumerate(styles)
        if style.images == wanted.images and wanted.crop in (None, style.crop) and wanted.weight in (1, style.weight)
    ]


def _parse_weight(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"the weight of a style is {text}: expected a positive number") from None


def _checked_weight(weight: Any) -> float:
    number = real(weight)
    if number is None or not 1 / MAX_WEIGHT <= number <= MAX_WEIGHT:
        found = shown(weight) if number is None else f"{number:g}"
        raise UsageError(
            f"the weight of a style is {found}: expected a positive number from {1 / MAX_WEIGHT} to {MAX_WEIGHT}"
        )
    return number


def _checked_crop(crop: Any) -> Box | None:
    if crop is None:
        return None
    numbers = [integer(number) for number in crop] if isinstance(crop, tuple | list) else []
    match numbers:
        case [int(left), int(top), int(width), int(height)]:
            return left, top, width, height
    raise UsageError(f"the crop of a style is {shown(crop)}: expected left, top, width and height in pixels")


def _images_at(path: Path) -> tuple[ImageSource, ...]:
    if not is_folder(path):
        return (str(path),)
    found = list_images(path)
    if not found:
        raise UsageError(f"folder {path} contains no images: expected files ending in {', '.join(IMAGE_SUFFIXES)}")
    return tuple(map(str, found))


def _check_crop(crop: Box, size: Size, name: str) -> None:
    left, top, width, height = crop
    if min(left, top) < 0 or left + width > size[0] or top + height > size[1] or min(width, height) < 1:
        raise UsageError(
            f"the crop {left},{top},{width},{height} exceeds {name} of {size[0]}x{size[1]} px: give left, top, width "
            "and height inside it"
        )


def _crop(pixels: Pixels, crop: Box | None, name: str) -> Pixels:
    if crop is None:
        return pixels
    _check_crop(crop, size_of(pixels), name)
    left, top, width, height = crop
    return pixels[..., top : top + height, left : left + width]
