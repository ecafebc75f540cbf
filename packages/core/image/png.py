"""Read from PNG files what Pillow ignores."""

import struct
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

from PIL import Image

from core.image.rgb_space import RGBSpace


def take_color_space(file: BinaryIO, image: Image.Image, name: str) -> RGBSpace | None:
    """Return the colour space in the cICP chunk of a PNG file; None for sRGB, another format, or no such chunk.

    The chunk has precedence over the ICC profile, which is then removed from `image`.

    Raises:
        UsageError: The colour space is not supported.
    """
    if image.format != "PNG":
        return None
    found = [data for kind, data in _chunks(file) if kind == b"cICP" and len(data) == 4]
    if not found:
        return None
    image.info.pop("icc_profile", None)
    return RGBSpace.from_cicp(found[0][0], found[0][1], name)


def scale_transparent_grey(image: Image.Image) -> None:
    """Scale the transparent sample of a grey PNG file with 2 or 4 bits to 8 bits, as Pillow scales the pixels."""
    transparent, opened = image.info.get("transparency"), cast("Any", image)
    if image.format == "PNG" and image.mode == "L" and isinstance(transparent, int) and opened.tile:
        image.info["transparency"] = transparent * {"L;2": 85, "L;4": 17}.get(opened.tile[0].args, 1)


def find_exif(file: BinaryIO, image: Image.Image) -> None:
    """Add the EXIF data of a PNG file to `image.info` if it is stored after the pixels."""
    if image.format == "PNG" and "exif" not in image.info:
        for kind, data in _chunks(file):
            if kind == b"eXIf":
                image.info["exif"] = b"Exif\0\0" + data


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Yield the type and the content of each chunk, without that of chunks of pixels."""
    at = file.tell()
    file.seek(8)
    while len(header := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", header)
        start = file.tell()
        yield kind, b"" if kind == b"IDAT" else file.read(length)
        file.seek(start + length + 4)
    file.seek(at)
