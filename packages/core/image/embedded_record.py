"""Read the run record from the metadata of an image, and encode it for writing.

PNG files hold the record as an iTXt chunk, TIFF files as the image description, JPEG and WebP files as the EXIF user
comment, and BMP files after the end that their header states.
"""

import json
import os
import re
import struct
from typing import BinaryIO

from PIL import ExifTags, Image, UnidentifiedImageError

from core.errors import UsageError
from core.image.opening import open_file, open_image

RECORD_KEY = "style-transfer"
"""Keyword of the iTXt chunk of a PNG file."""

_LARGEST_BMP_RECORD = 2**24
"""Bytes after the pixels of a BMP file that are read."""

_COMMENT_PREFIX = b"ASCII\0\0\0"
"""Character code at the start of an EXIF user comment (EXIF 2.3, section 4.6.5)."""


def read_record(path: str | os.PathLike[str]) -> str | None:
    """Return the JSON text of the record inside an image, or None if there is none.

    Raises:
        UsageError: The file does not exist, or it is a damaged image.
    """
    try:
        with open_file(path, f"image {os.fspath(path)}") as file, open_image(file) as image:
            if image.format == "PNG":
                found = image.info.get(RECORD_KEY)
            elif image.format == "TIFF":
                found = image.getexif().get(ExifTags.Base.ImageDescription)
            elif image.format == "BMP":
                found = _after_end_of_bmp(file)
            else:
                found = image.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.UserComment)
    except UsageError as error:
        if isinstance(error.__cause__, UnidentifiedImageError):
            return None  # not an image
        raise
    if isinstance(found, bytes):
        found = found.removeprefix(_COMMENT_PREFIX).decode(errors="replace")
    # Cameras and other programs write plain text into the description and the comment, and damaged files have numbers.
    is_record = isinstance(found, str) and found.startswith("{") and found.rstrip("\0").endswith("}")
    return str(found) if is_record else None


def _after_end_of_bmp(file: BinaryIO) -> bytes | None:
    file.seek(0)
    (end,) = struct.unpack_from("<I", file.read(14), 2)  # the size of the file without the record
    if end < 14:
        return None
    file.seek(end)
    return file.read(_LARGEST_BMP_RECORD)


def to_ascii(record: str) -> str:
    """Return JSON text with its non-ASCII characters escaped, which every metadata field can hold."""
    # JSON contains non-ASCII characters only in strings, where an escape sequence is equivalent.
    return re.sub(r"[^\x00-\x7f]", lambda found: json.dumps(found[0])[1:-1], record)


def to_exif(record: str) -> bytes:
    """Return EXIF data with an ASCII record as the user comment; empty for an empty record."""
    if not record:
        return b""
    exif = Image.Exif()
    exif[ExifTags.IFD.Exif] = {ExifTags.Base.UserComment: _COMMENT_PREFIX + record.encode("ascii")}
    return exif.tobytes()
