"""Styles: one or more style images with a loss weight, a region and a crop."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any, Self

import numpy as np
from PIL import Image

from core.arrays import Pixels, Size, size_of
from core.errors import UsageError
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
        weight: Weight relative to the other styles of the run.
        region: Mask of any size: white where the style is applied, black where it is not; None for everywhere.
        crop: Part of every image that is used; None for all of it.

    Raises:
        UsageError: There is no image, or the weight is not positive.
    """

    images: tuple[ImageSource, ...]
    weight: float = 1.0
    region: ImageSource | None = None
    crop: Box | None = None

    def __post_init__(self) -> None:
        """Check the number of images and the weight."""
        if not self.images:
            raise UsageError("a style has no image: give at least one")
        if not 0 < self.weight < float("inf"):
            raise UsageError(f"the weight of a style is {self.weight:g}: expected a positive number")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `PATH[@LEFT,TOP,WIDTH,HEIGHT][:WEIGHT]`, where PATH is an image file or a folder of images.

        Text that is the path of an existing file is not split, even if it ends like a crop or a weight.

        Raises:
            UsageError: The folder contains no image, or the weight is not a positive number.
        """
        weight, crop = 1.0, None
        if not Path(text).exists() and (match := _WEIGHT.fullmatch(text)):
            text, weight = match["path"], _parse_weight(match["weight"])
        if not Path(text).exists() and (match := _CROP.fullmatch(text)):
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
    """

    images: tuple[Any, ...]
    weight: float = 1.0
    mask: Any | None = None

    def with_mask_size(self, size: Size) -> Self:
        """Return the exemplar with its mask resized to (width, height)."""
        return self if self.mask is None else replace(self, mask=resize(self.mask, size))


def as_styles(source: StyleSource) -> tuple[Style, ...]:
    """Return the `style` argument of `stylize` as a tuple of styles.

    Raises:
        UsageError: The sequence is empty.
    """
    if isinstance(source, Style):
        return (source,)
    if isinstance(source, str | PathLike | Image.Image | np.ndarray):
        return (Style((source,)),)
    styles = tuple(style if isinstance(style, Style) else Style((style,)) for style in source)
    if not styles:
        raise UsageError("no style was given: give at least one")
    return styles


def read_style(style: Style, memory: ReadingMemory | None = None) -> StyleExemplar:
    """Read the images and the mask of a style at their own sizes, within `memory`.

    Raises:
        UsageError: An image cannot be read or is too large, the crop exceeds it, or the region mask is entirely black.
    """
    images = tuple(
        _crop(read_image(source, name="style", memory=memory).pixels, style.crop, name)
        for source, name in zip(style.images, style_names([style]), strict=True)
    )
    mask = None if style.region is None else read_mask(style.region, memory=memory)
    return StyleExemplar(images, style.weight, mask)


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

    STYLE is the path of a style or its position, counted from 1. A path that matches no style without a region adds a
    style.

    Raises:
        UsageError: A region is not of the form MASK=STYLE.
    """
    assigned = list(styles)
    for region in regions:
        mask, equals, name = region.partition("=")
        if not (mask and equals and name):
            raise UsageError(f"--region is {region!r}: expected MASK=STYLE, such as sky.png=starry.jpg")
        at = next((i for i, style in enumerate(assigned) if style.region is None and _matches(style, i, name)), None)
        if at is None:
            assigned.append(replace(Style.parse(name), region=mask))
        else:
            assigned[at] = replace(assigned[at], region=mask)
    return tuple(assigned)


def _matches(style: Style, index: int, name: str) -> bool:
    return name == str(index + 1) or style.images == Style.parse(name).images


def _parse_weight(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"the weight of a style is {text}: expected a positive number") from None


def _images_at(path: Path) -> tuple[ImageSource, ...]:
    if not path.is_dir():
        return (str(path),)
    found = list_images(path)
    if not found:
        raise UsageError(f"folder {path} contains no images: expected files ending in {', '.join(IMAGE_SUFFIXES)}")
    return tuple(map(str, found))


def _check_crop(crop: Box, size: Size, name: str) -> None:
    left, top, width, height = crop
    if left + width > size[0] or top + height > size[1] or min(width, height) < 1:
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
