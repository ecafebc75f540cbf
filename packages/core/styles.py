"""What a painting is to look like: one picture or several, how much of each, and where. NumPy and Pillow only."""

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
from core.image.reading import ImageSource, describe_source, open_image, read_image, read_size
from core.image.resize import resample

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
"""What counts as a picture in a folder."""

_WEIGHT = re.compile(r"(?P<path>.+):(?P<weight>[0-9.]+(?:e-?[0-9]+)?)")
_CROP = re.compile(r"(?P<path>.+)@(?P<box>\d+,\d+,\d+,\d+)")

Box = tuple[int, int, int, int]
"""Left, top, width and height in pixels."""


@dataclass(frozen=True)
class Style:
    """A manner of painting.

    `pictures` count as one: their statistics are averaged by area. `weight` is relative to that of the other styles.
    `region` is a picture of any size whose brightness says where the style is wanted, white for fully; None for
    everywhere. `crop` is the part of every picture that counts.

    Raises:
        UsageError: There is no picture, or the weight is not positive.
    """

    pictures: tuple[ImageSource, ...]
    weight: float = 1.0
    region: ImageSource | None = None
    crop: Box | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if not self.pictures:
            raise UsageError("a style without a picture was given: name at least one")
        if not 0 < self.weight < float("inf"):
            raise UsageError(f"the weight of a style is {self.weight:g}: expected a positive number")

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `PATH[@LEFT,TOP,WIDTH,HEIGHT][:WEIGHT]`, the path a picture or a folder of pictures.

        A path that exists as it stands is taken as it stands, whatever its name ends in.

        Raises:
            UsageError: It is an empty folder, or the weight is no positive number.
        """
        weight, crop = 1.0, None
        if not Path(text).exists() and (match := _WEIGHT.fullmatch(text)):
            text, weight = match["path"], _number(match["weight"])
        if not Path(text).exists() and (match := _CROP.fullmatch(text)):
            left, top, width, height = map(int, match["box"].split(","))
            text, crop = match["path"], (left, top, width, height)
        return cls(_pictures(Path(text)), weight, None, crop)

    @property
    def name(self) -> str:
        """What a file painted in it may be called after."""
        first = self.pictures[0]
        if not isinstance(first, str | PathLike):
            return "style"
        return Path(first).stem if len(self.pictures) == 1 else Path(first).parent.name


StyleSource = ImageSource | Style | Sequence[Style]
"""What `stylize` takes: a picture, a style, or several."""


@dataclass(frozen=True, eq=False)
class StyleExemplar:
    """A style at the size it is compared at.

    `pictures` are (1, 3, h, w) RGB in [0, 1], each of its own size; `mask` is (1, 1, H, W) in [0, 1] at the size of the
    painting, None for everywhere. All are NumPy arrays, or tensors where PyTorch computes with them.
    """

    pictures: tuple[Any, ...]
    weight: float = 1.0
    mask: Any | None = None

    def masked(self, size: Size) -> Self:
        """The same with its mask at another size: averaged over area where smaller, so that it covers as much."""
        return self if self.mask is None else replace(self, mask=resize_mask(self.mask, size))


def as_styles(source: StyleSource) -> tuple[Style, ...]:
    """The styles that `stylize` was given.

    Raises:
        UsageError: There are none.
    """
    if isinstance(source, Style):
        return (source,)
    if isinstance(source, str | PathLike | Image.Image | np.ndarray):
        return (Style((source,)),)
    styles = tuple(style if isinstance(style, Style) else Style((style,)) for style in source)
    if not styles:
        raise UsageError("no style was given: give at least one")
    return styles


def as_exemplars(style: Pixels | Sequence[StyleExemplar]) -> tuple[StyleExemplar, ...]:
    """The manners an engine was given; a picture alone is one."""
    return (StyleExemplar((style,)),) if isinstance(style, np.ndarray) else tuple(style)


def read_style(style: Style) -> StyleExemplar:
    """The style's pictures and mask as they are, at their own sizes.

    Raises:
        UsageError: A picture cannot be read, the crop lies outside it, or the region is black throughout.
    """
    pictures = tuple(_cropped(read_image(source, name="style").pixels, style.crop) for source in style.pictures)
    mask = None if style.region is None else _read_mask(style.region)
    return StyleExemplar(pictures, style.weight, mask)


def style_sizes(style: Style) -> tuple[Size, ...]:
    """The sizes of the pictures that count, as far as headers tell.

    Raises:
        UsageError: A picture cannot be read, or the crop lies outside it.
    """
    sizes = tuple(read_size(source, name="style") for source in style.pictures)
    if style.crop is None:
        return sizes
    for size in sizes:
        _check_crop(style.crop, size)
    return (style.crop[2:],) * len(sizes)


def resize_mask(mask: Pixels, size: Size) -> Pixels:
    """A mask (1, 1, H, W) at another size (width, height), in [0, 1]."""
    return resample(mask, size).clip(0, 1)


def assign_regions(styles: Sequence[Style], regions: Sequence[str]) -> tuple[Style, ...]:
    """The styles with their regions, each named as `MASK=STYLE` after the style's path or its place, from 1.

    A style that no `--style` named is added.

    Raises:
        UsageError: A region is not of that form.
    """
    assigned = list(styles)
    for region in regions:
        mask, equals, name = region.partition("=")
        if not (mask and equals and name):
            raise UsageError(f"--region is {region!r}: expected MASK=STYLE, such as sky.png=starry.jpg")
        at = next((i for i, style in enumerate(assigned) if _is_called(style, i, name) and style.region is None), None)
        if at is None:
            assigned.append(replace(Style.parse(name), region=mask))
        else:
            assigned[at] = replace(assigned[at], region=mask)
    return tuple(assigned)


def _is_called(style: Style, at: int, name: str) -> bool:
    return name == str(at + 1) or style.pictures == Style.parse(name).pictures


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"the weight of a style is {text}: expected a positive number") from None


def _pictures(path: Path) -> tuple[ImageSource, ...]:
    if not path.is_dir():
        return (str(path),)
    found = sorted(str(entry) for entry in path.iterdir() if entry.suffix.lower() in SUFFIXES)
    if not found:
        raise UsageError(f"the folder {path} holds no pictures: expected files ending in {', '.join(SUFFIXES)}")
    return tuple(found)


def _check_crop(crop: Box, size: Size) -> None:
    left, top, width, height = crop
    if left + width > size[0] or top + height > size[1] or min(width, height) < 1:
        raise UsageError(
            f"the crop {left},{top},{width},{height} does not lie in a style of {size[0]}x{size[1]} px: give left, "
            "top, width and height within it"
        )


def _cropped(pixels: Pixels, crop: Box | None) -> Pixels:
    if crop is None:
        return pixels
    _check_crop(crop, size_of(pixels))
    left, top, width, height = crop
    return pixels[..., top : top + height, left : left + width]


def _read_mask(source: ImageSource) -> Pixels:
    """Brightness of the picture as (1, 1, H, W); of one with transparency, what is transparent counts as black."""
    if isinstance(source, np.ndarray):
        source = Image.fromarray(source if source.dtype == np.uint8 else np.uint8(255 * np.asarray(source)))
    with open_image(source, describe_source(source, "region")) as image:
        grey_alpha = np.asarray(image.convert("RGBA").convert("LA"), np.float32) / 255
    mask: Pixels = np.ascontiguousarray((grey_alpha[..., 0] * grey_alpha[..., 1])[None, None])
    if not mask.any():
        raise UsageError("a region is black throughout, so its style would be nowhere: paint white where it is wanted")
    return mask
