"""Read zip archives of weights and artifacts in memory that is bounded by the size of the file."""

import struct
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from core.errors import UsageError

MAX_BYTES = 2**28
"""Limit on the bytes that are read of an artifact; the largest one, all layers of VGG-19 in float32, has 80 MB."""

_MALFORMED = (zipfile.BadZipFile, EOFError, RuntimeError, ValueError, OSError, OverflowError, struct.error)
"""Exceptions that `zipfile` raises for a damaged archive."""


def read_members(path: Path, wanted: Callable[[str], bool] = lambda name: True) -> dict[str, bytes]:
    """Return the wanted members of an archive by their names without the folder that contains them all.

    Neither `torch.save` nor `python -m export` compresses. This function decompresses nothing, so that a small file
    cannot expand to more than the memory, and reads no more than the size of the file.

    Raises:
        UsageError: The archive is damaged, it has compressed or overlapping members, or the wanted ones are too large.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if found := _expansion(archive.infolist(), path.stat().st_size):
                raise UsageError(f"{path} {found}: write it again without compression")
            names = {info.filename.partition("/")[2]: info for info in archive.infolist()}
            chosen = {name: info for name, info in names.items() if wanted(name)}
            if (size := sum(info.file_size for info in chosen.values())) > MAX_BYTES:
                raise UsageError(f"{path} has {size} bytes to read, and an exported file has at most {MAX_BYTES}")
            return {name: archive.read(info) for name, info in chosen.items()}
    except UsageError:
        raise
    except _MALFORMED as error:
        raise UsageError(f"{path} is damaged or incomplete: export it again") from error


def check_archive(path: Path) -> None:
    """Check an archive without reading its members.

    Raises:
        UsageError: As `read_members`.
    """
    read_members(path, lambda name: False)


def _expansion(members: Sequence[zipfile.ZipInfo], size: int) -> str | None:
    """Return why the members of an archive of `size` bytes could be larger than it, if they could."""
    for member in members:
        if member.compress_type != zipfile.ZIP_STORED:
            return f"has the compressed member {member.filename}"
    if sum(member.file_size for member in members) > size:
        return f"has members of more than the {size} bytes of the file"
    return None
