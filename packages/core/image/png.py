"""Read from PNG files what Pillow ignores."""

import struct
from collections.abc import Iterator
from typing import BinaryIO

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
    at = file.tell()
    code_points = next((data for kind, data in _chunks_before_pixels(file) if kind == b"cICP"), b"")
    file.seek(at)
    if len(code_points) != 4:
        return None
    image.info.pop("icc_profile", None)
    return RGBSpace.from_cicp(code_points[0], code_points[1], name)


def _chunks_before_pixels(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Yield the type and the first bytes of each chunk before the pixels."""
    file.seek(8)
    while len(header := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", header)
        if kind in (b"IDAT", b"IEND"):
            return
        start = file.tell()
        yield kind, file.read(min(length, 4))
        file.seek(start + length + 4)
