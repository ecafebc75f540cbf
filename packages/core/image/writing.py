"""Write images: (1, 3, H, W) float32 sRGB in [0, 1] to files, with the run record in their metadata."""

import os
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from core.arrays import Pixels, Size, size_of
from core.errors import UsageError
from core.files import check_writable, replacing
from core.image.color_profile import srgb_profile
from core.image.compositing import over_white
from core.image.embedded_record import RECORD_KEY, to_ascii, to_exif

Samples = NDArray[Any]
"""Values of a file: (H, W, 3) RGB or (H, W, 4) RGBA, uint8 or uint16."""

_LARGEST_JPEG_EXIF = 65_533
"""Largest EXIF data of a JPEG file in bytes."""


def write_image(
    path: str | os.PathLike[str],
    pixels: Pixels,
    *,
    alpha: Pixels | None = None,
    bit_depth: int = 8,
    quality: int = 95,
    record: str | None = None,
) -> None:
    """Write an image in the format given by the suffix of `path`, replacing an existing file atomically.

    Args:
        path: The output file; missing folders are created.
        pixels: (1, 3, H, W) sRGB; values outside [0, 1] are clipped.
        alpha: (1, 1, H, W) in [0, 1]; in JPEG and BMP files, which have no alpha channel, the image is over white.
        bit_depth: Bits per channel: 8, or 16 for PNG and TIFF.
        quality: Quality of JPEG and WebP, 1 to 100. JPEG files have no chroma subsampling, which would blur coloured
            edges; WebP files are lossless at 100.
        record: JSON text to embed; omitted in JPEG files if longer than 64 kB.

    Raises:
        UsageError: The format is unknown or does not support this bit depth or size, or a value is not finite.
        StyleTransferError: The file cannot be written.
    """
    path = Path(path)
    chosen = _format_of(path, bit_depth, size_of(pixels))
    if alpha is not None and not chosen.alpha:
        pixels, alpha = over_white(pixels, alpha), None
    samples = _to_samples(pixels, alpha, bit_depth)
    with replacing(path) as temporary:
        chosen.write(temporary, samples, quality, to_ascii(record or ""))


def check_output(
    path: str | os.PathLike[str],
    *,
    bit_depth: int = 8,
    inputs: Sequence[object] = (),
    size: Size | None = None,
) -> Path:
    """Check before a run that `write_image` can write its output, without leaving a file behind.

    Args:
        path: The output file; neither the file nor its folder needs to exist.
        bit_depth: 8 or 16.
        inputs: Files that must not be overwritten; elements that are not paths are ignored.
        size: Width and height of the image, if known.

    Raises:
        UsageError: The format is unknown or does not support this bit depth or size, or `path` cannot be written.
    """
    _format_of(Path(path), bit_depth, size)
    return check_writable(path, inputs=inputs)


def to_image(pixels: Pixels, alpha: Pixels | None = None) -> Image.Image:
    """Return (1, 3, H, W) in [0, 1], with alpha (1, 1, H, W) if given, as an 8-bit RGB or RGBA image."""
    return Image.fromarray(_to_samples(pixels, alpha, 8))


def quantize(pixels: Pixels, bit_depth: int = 8) -> Pixels:
    """Return pixels as read back from a lossless file: clipped to [0, 1] and rounded to `bit_depth` bits."""
    maximum = np.float32(2**bit_depth - 1)
    return np.asarray(np.rint(pixels.clip(0, 1) * maximum) / maximum, np.float32)


def _to_samples(pixels: Pixels, alpha: Pixels | None, bit_depth: int) -> Samples:
    planes = pixels[0] if alpha is None else np.concatenate([pixels[0], alpha[0]])
    if not np.isfinite(planes).all():
        raise UsageError("the image to write has values that are not finite: expected numbers in [0, 1]")
    maximum = 2**bit_depth - 1
    samples = np.rint(planes.clip(0, 1) * np.float32(maximum))
    return np.ascontiguousarray(samples.transpose(1, 2, 0), np.uint8 if bit_depth == 8 else np.uint16)


def _write_jpeg(path: Path, samples: Samples, quality: int, record: str) -> None:
    exif = to_exif(record)
    Image.fromarray(samples).save(
        path,
        "JPEG",
        quality=quality,
        subsampling="4:4:4",
        optimize=True,
        icc_profile=srgb_profile(),
        exif=exif if len(exif) <= _LARGEST_JPEG_EXIF else b"",
    )


def _write_webp(path: Path, samples: Samples, quality: int, record: str) -> None:
    image = Image.fromarray(samples)
    image.save(path, "WEBP", quality=quality, lossless=quality == 100, icc_profile=srgb_profile(), exif=to_exif(record))


def _write_bmp(path: Path, samples: Samples, quality: int, record: str) -> None:
    Image.fromarray(samples).save(path, "BMP")
    with path.open("ab") as file:  # the format has no metadata, but readers ignore what follows the pixels
        file.write(record.encode("ascii"))


def _write_png(path: Path, samples: Samples, quality: int, record: str) -> None:
    if samples.dtype == np.uint16:
        _write_16_bit_png(path, samples, record)
        return
    text = PngImagePlugin.PngInfo()
    if record:
        text.add_itxt(RECORD_KEY, record)
    Image.fromarray(samples).save(path, "PNG", icc_profile=srgb_profile(), pnginfo=text)


def _write_16_bit_png(path: Path, samples: Samples, record: str) -> None:
    """Write 16 bits per channel, which Pillow does not support (W3C, Portable Network Graphics, second edition)."""
    height, width, channels = samples.shape
    rows = samples.astype(">u2").view(np.uint8).reshape(height, -1)
    filtered = np.full((height, 1 + rows.shape[1]), 2, np.uint8)  # filter 2 (Up): difference to the row above
    filtered[:, 1:] = np.diff(rows, axis=0, prepend=np.uint8(0))
    color_type = 6 if channels == 4 else 2
    with path.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        PngImagePlugin.putchunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, 16, color_type, 0, 0, 0))
        PngImagePlugin.putchunk(file, b"iCCP", b"sRGB\0\0", zlib.compress(srgb_profile()))
        if record:
            PngImagePlugin.putchunk(file, b"iTXt", RECORD_KEY.encode(), bytes(5), record.encode())
        PngImagePlugin.putchunk(file, b"IDAT", zlib.compress(filtered.data))
        PngImagePlugin.putchunk(file, b"IEND")


def _write_tiff(path: Path, samples: Samples, quality: int, record: str) -> None:
    import tifffile

    tifffile.imwrite(
        path,
        samples,
        photometric="rgb",
        planarconfig="contig",
        extrasamples=["unassalpha"] if samples.shape[2] == 4 else None,
        compression="zlib",
        iccprofile=srgb_profile(),
        description=record or None,
        metadata=None,  # tifffile would replace the description by one of the array
        software=False,
    )


@dataclass(frozen=True)
class _Format:
    """A file format: its writer, whether it has alpha and 16 bits per channel, and its largest side in pixels."""

    write: Callable[[Path, Samples, int, str], None]
    alpha: bool = False
    sixteen_bits: bool = False
    largest_side: int = 2**31 - 1


_JPEG = _Format(_write_jpeg, largest_side=65_500)
_TIFF = _Format(_write_tiff, alpha=True, sixteen_bits=True)
_FORMATS = {
    ".png": _Format(_write_png, alpha=True, sixteen_bits=True),
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".webp": _Format(_write_webp, alpha=True, largest_side=16_383),
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".bmp": _Format(_write_bmp),
}


def _format_of(path: Path, bit_depth: int, size: Size | None) -> _Format:
    chosen = _FORMATS.get(path.suffix.lower())
    if chosen is None:
        suffix = f"ends in {path.suffix}" if path.suffix else "has no suffix"
        raise UsageError(f"{path} {suffix}, but the suffix selects the format: use one of {', '.join(_FORMATS)}")
    if bit_depth not in (8, 16):
        raise UsageError(f"the bit depth is {bit_depth}: expected 8 or 16")
    if bit_depth == 16 and not chosen.sixteen_bits:
        raise UsageError(f"{path} cannot hold 16 bits per channel: use .png or .tif, or a bit depth of 8")
    if size and max(size) > chosen.largest_side:
        raise UsageError(
            f"{path} can have at most {chosen.largest_side} px per side, but the image has {size[0]}x{size[1]}: "
            "use .png or .tif"
        )
    return chosen
