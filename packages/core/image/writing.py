"""Write images: (1, 3, H, W) float32 sRGB in [0, 1] to files, with the run record inside."""

import json
import os
import re
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, PngImagePlugin

from core.arrays import Pixels
from core.errors import UsageError
from core.files import check_writable, replacing
from core.image.reading import RECORD_KEY, _exif

Levels = NDArray[Any]
"""What a file holds: (H, W, 3) RGB or (H, W, 4) RGBA, uint8 or uint16."""
_LARGEST_JPEG_EXIF = 65_533


@cache
def srgb_profile() -> bytes:
    """The ICC profile of sRGB, the same bytes every time."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)  # Little CMS dates it now; equal runs give equal files
    return bytes(profile)


def to_image(pixels: NDArray[np.float32], alpha: NDArray[np.float32] | None = None) -> Image.Image:
    """(1, 3, H, W) in [0, 1], with alpha (1, 1, H, W) if there is one, as an 8-bit RGB or RGBA image."""
    return Image.fromarray(_levels(pixels, alpha, 8))


def check_output(
    path: str | os.PathLike[str],
    *,
    bit_depth: int = 8,
    inputs: Sequence[object] = (),
    size: tuple[int, int] | None = None,
) -> Path:
    """Try, before minutes of painting, whether `write_image` can write there; leaves no trace.

    Args:
        path: The file to be written; neither it nor its folder needs to exist.
        bit_depth: 8 or 16.
        inputs: What must not be overwritten. Those that are paths count.
        size: Width and height of the picture, where they are known.

    Raises:
        UsageError: The file's ending, its format, or its place does not do.
    """
    _format(Path(path), bit_depth, size)
    return check_writable(path, inputs=inputs)


def write_image(
    path: str | os.PathLike[str],
    pixels: NDArray[np.float32],
    *,
    alpha: NDArray[np.float32] | None = None,
    bit_depth: int = 8,
    quality: int = 95,
    record: str | None = None,
) -> None:
    """Write a picture, all at once or not at all, in the format that the ending of its name says.

    Args:
        path: Missing folders are made. An existing file is replaced.
        pixels: (1, 3, H, W) sRGB in [0, 1]; what lies outside is clipped.
        alpha: (1, 1, H, W) in [0, 1]. JPEG and BMP hold none: there the colours are written as they are.
        bit_depth: Bits a channel: 8, or for PNG and TIFF 16.
        quality: 1 to 100, for JPEG (always 4:4:4, as paintings are full of coloured edges) and WebP (100 is
            lossless).
        record: JSON to keep inside. BMP holds none, nor JPEG one of more than 64 kB: it is left out there.

    Raises:
        UsageError: The format is unknown, or does not do for this depth or size.
        StyleTransferError: The file cannot be written.
    """
    path = Path(path)
    known = _format(path, bit_depth, (pixels.shape[3], pixels.shape[2]))
    levels = _levels(pixels, alpha if known.alpha else None, bit_depth)
    # JSON has non-ASCII characters in strings only, where an escape says the same in every metadata field.
    ascii_record = re.sub(r"[^\x00-\x7f]", lambda found: json.dumps(found[0])[1:-1], record or "")
    with replacing(path) as temporary:
        known.write(temporary, levels, quality, ascii_record)


def _levels(pixels: NDArray[np.float32], alpha: NDArray[np.float32] | None, bit_depth: int) -> Levels:
    planes = pixels[0] if alpha is None else np.concatenate([pixels[0], alpha[0]])
    if not np.isfinite(planes).all():
        raise UsageError("the picture to write has values that are not finite: expected numbers in [0, 1]")
    top = 2**bit_depth - 1
    levels = np.rint(planes.clip(0, 1) * np.float32(top))
    return np.ascontiguousarray(levels.transpose(1, 2, 0), np.uint8 if bit_depth == 8 else np.uint16)


def _write_jpeg(path: Path, levels: Levels, quality: int, record: str) -> None:
    exif = _exif(record)
    Image.fromarray(levels).save(
        path,
        "JPEG",
        quality=quality,
        subsampling="4:4:4",
        optimize=True,
        icc_profile=srgb_profile(),
        exif=exif if len(exif) <= _LARGEST_JPEG_EXIF else b"",
    )


def _write_webp(path: Path, levels: Levels, quality: int, record: str) -> None:
    image = Image.fromarray(levels)
    image.save(path, "WEBP", quality=quality, lossless=quality == 100, icc_profile=srgb_profile(), exif=_exif(record))


def _write_bmp(path: Path, levels: Levels, quality: int, record: str) -> None:
    Image.fromarray(levels).save(path, "BMP")


def _write_png(path: Path, levels: Levels, quality: int, record: str) -> None:
    if levels.dtype == np.uint16:
        _write_deep_png(path, levels, record)
        return
    text = PngImagePlugin.PngInfo()
    if record:
        text.add_itxt(RECORD_KEY, record)
    Image.fromarray(levels).save(path, "PNG", icc_profile=srgb_profile(), pnginfo=text)


def _write_deep_png(path: Path, levels: Levels, record: str) -> None:
    """16 bits a channel, which Pillow does not write (W3C, Portable Network Graphics, second edition)."""
    height, width, channels = levels.shape
    rows = levels.astype(">u2").view(np.uint8).reshape(height, -1)
    filtered = np.full((height, 1 + rows.shape[1]), 2, np.uint8)  # filter 2, Up: the difference to the row above
    filtered[:, 1:] = np.diff(rows, axis=0, prepend=np.uint8(0))
    colour_type = 6 if channels == 4 else 2
    with path.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        PngImagePlugin.putchunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0))
        PngImagePlugin.putchunk(file, b"iCCP", b"sRGB\0\0", zlib.compress(srgb_profile()))
        if record:
            PngImagePlugin.putchunk(file, b"iTXt", RECORD_KEY.encode(), bytes(5), record.encode())
        PngImagePlugin.putchunk(file, b"IDAT", zlib.compress(filtered.data))
        PngImagePlugin.putchunk(file, b"IEND")


def _write_tiff(path: Path, levels: Levels, quality: int, record: str) -> None:
    import tifffile

    tifffile.imwrite(
        path,
        levels,
        photometric="rgb",
        planarconfig="contig",
        extrasamples=["unassalpha"] if levels.shape[2] == 4 else None,
        compression="zlib",
        iccprofile=srgb_profile(),
        description=record or None,
        metadata=None,  # or tifffile would describe the array in the place of the record
        software=False,
    )


@dataclass(frozen=True)
class _Format:
    write: Callable[[Path, Levels, int, str], None]
    alpha: bool = False
    deep: bool = False
    largest_side: int = 2**31 - 1


_JPEG = _Format(_write_jpeg, largest_side=65_500)
_TIFF = _Format(_write_tiff, alpha=True, deep=True)
_FORMATS = {
    ".png": _Format(_write_png, alpha=True, deep=True),
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".webp": _Format(_write_webp, alpha=True, largest_side=16_383),
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".bmp": _Format(_write_bmp),
}


def _format(path: Path, bit_depth: int, size: tuple[int, int] | None) -> _Format:
    known = _FORMATS.get(path.suffix.lower())
    if known is None:
        ending = f"ends in {path.suffix}" if path.suffix else "has no ending"
        raise UsageError(f"{path} {ending}, and the ending chooses the format: use one of {', '.join(_FORMATS)}")
    if bit_depth not in (8, 16):
        raise UsageError(f"the bit depth is {bit_depth}: expected 8 or 16")
    if bit_depth == 16 and not known.deep:
        raise UsageError(f"{path} cannot hold 16 bits a channel: choose .png or .tif, or a bit depth of 8")
    if size and max(size) > known.largest_side:
        raise UsageError(
            f"{path} can have at most {known.largest_side} px a side and the picture has "
            f"{size[0]}x{size[1]}: choose .png or .tif"
        )
    return known


def quantise(pixels: Pixels, bit_depth: int = 8) -> Pixels:
    """What a file of that many bits a channel delivers of `pixels`: clipped to [0, 1] and rounded."""
    top = np.float32(2**bit_depth - 1)
    return np.asarray(np.rint(pixels.clip(0, 1) * top) / top, np.float32)
