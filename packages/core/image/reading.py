"""Read images: files, PIL images and arrays to (1, 3, H, W) float32 sRGB in [0, 1]."""

import os
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms, ImageOps, TiffImagePlugin, UnidentifiedImageError

from core.arrays import Pixels, Size, size_of
from core.errors import UsageError
from core.files import reason
from core.network.architecture import MIN_SIDE

ImageSource = str | os.PathLike[str] | Image.Image | NDArray[Any]
"""A path, a PIL image, or an array (H, W) or (H, W, 1 | 3 | 4): uint8, uint16 or float in [0, 1]."""

_BROKEN_EXIF = (SyntaxError, ValueError, TypeError, LookupError, struct.error)
"""What Pillow raises where EXIF data cannot be read although the picture can: then it stays as it lies."""


@dataclass(frozen=True, eq=False)
class LoadedImage:
    """A picture as the objective takes it: sRGB, (1, 3, H, W) in [0, 1], over white where it was transparent.

    `alpha` is (1, 1, H, W) in [0, 1], and None where every pixel is opaque.
    """

    pixels: Pixels
    alpha: Pixels | None = None

    @property
    def size(self) -> Size:
        """Width and height in pixels."""
        return size_of(self.pixels)


def read_image(source: ImageSource, *, name: str = "picture") -> LoadedImage:
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
        with open_image(source, what) as image:
            upright = _upright(image)
        _check_sides(upright.size, what)
        levels, alpha = _from_image(upright, what)
    if alpha is not None and alpha.min() == 1:
        alpha = None
    if alpha is not None:
        # Colours of transparent pixels are arbitrary, and the optimiser must not take them for content.
        levels = levels * alpha + (1 - alpha)
    return LoadedImage(_planes(levels, 3), None if alpha is None else _planes(alpha, 1))


def read_size(source: ImageSource, *, name: str = "picture") -> Size:
    """Width and height as `read_image` would give them, without decoding the pixels where the header tells.

    Raises:
        UsageError: As `read_image`, apart from what only decoding shows.
    """
    what = describe_source(source, name)
    if isinstance(source, np.ndarray):
        height, width = _checked_shape(source, what)[:2]
        return width, height
    with open_image(source, what) as image:
        _check_sides(image.size, what)
        width, height = image.size
        return (height, width) if _lies_sideways(image) else (width, height)


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


RECORD_KEY = "style-transfer"
"""The keyword under which a PNG file carries the record of its run."""

LARGEST = 2**30
"""How many pixels a picture may have that somebody names at a command line: 32768 x 32768."""

_COMMENT_PREFIX = b"ASCII\0\0\0"


@contextmanager
def open_image(source: str | os.PathLike[str] | Image.Image, what: str) -> Iterator[Image.Image]:
    """The picture, opened but not decoded; what goes wrong in the block becomes one sentence about `what`.

    Raises:
        UsageError: There is no such picture, or it is damaged.
    """
    try:
        with warnings.catch_warnings():
            # Pillow's doubts about metadata, and about pictures of between one and two times its size limit.
            warnings.simplefilter("ignore")
            if isinstance(source, Image.Image):
                yield source
                return
            # Not by its path: Pillow would map some TIFFs into memory, and garble those that lie sideways.
            with Path(source).open("rb") as file, Image.open(file) as image:
                yield image
    except (UsageError, MemoryError):
        raise
    except Exception as error:  # Pillow's decoders raise about anything on broken files
        raise UsageError(f"{what} {_explain(error)}") from error


@contextmanager
def allow_large_images() -> Iterator[None]:
    """Within the block pictures of up to `LARGEST` pixels are opened.

    Else Pillow takes those of more than 179 million for an attack, which what visitors of a page upload may be.
    """
    usual, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, LARGEST // 2
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = usual


def _explain(error: Exception) -> str:
    match error:
        case FileNotFoundError() | NotADirectoryError():
            return "does not exist: check the path"
        case IsADirectoryError():
            return "is a folder: name one picture in it"
        case UnidentifiedImageError():
            return "is not a picture that Pillow can read: convert it to PNG or JPEG"
        case Image.DecompressionBombError():
            safe = 2 * (Image.MAX_IMAGE_PIXELS or 0)
            return f"has more pixels than the {safe} that are safe to open: scale it down first"
        case OSError(errno=int()):
            return f"cannot be read ({reason(error)}): check its permissions and its disk"
        case _:
            return f"is damaged or cut short ({error}): download or export it again"


def read_record(path: str | os.PathLike[str]) -> str | None:
    """The JSON that `write_image` kept inside a picture, or None where there is none.

    Raises:
        UsageError: There is no such file, or it is a damaged picture.
    """
    try:
        with open_image(path, f"picture {os.fspath(path)}") as image:
            if image.format == "PNG":
                found = image.info.get(RECORD_KEY)
            elif image.format == "TIFF":
                found = image.getexif().get(ExifTags.Base.ImageDescription)
            else:
                found = image.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.UserComment)
    except UsageError as error:
        if isinstance(error.__cause__, UnidentifiedImageError):
            return None  # not a picture at all
        raise
    if isinstance(found, bytes):
        found = found.removeprefix(_COMMENT_PREFIX).decode(errors="replace")
    # Cameras and other programs use the last two fields as well, for other things than an object in JSON.
    return str(found) if found and found.startswith("{") and found.rstrip("\0").endswith("}") else None


def _exif(record: str) -> bytes:
    if not record:
        return b""
    exif = Image.Exif()
    exif[ExifTags.IFD.Exif] = {ExifTags.Base.UserComment: _COMMENT_PREFIX + record.encode("ascii")}
    return exif.tobytes()
