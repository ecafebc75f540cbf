"""Finds a text that was put into a model file, without the libraries that wrote it and without running it."""

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

# Where the fields of an ONNX ModelProto stand (onnx.proto): key and value of an entry of metadata_props.
_METADATA_PROPS, _ENTRY_KEY, _ENTRY_VALUE = 14, 1, 2


class DamagedError(Exception):
    """The file is cut off or broken."""


def is_archive(path: Path) -> bool:
    """Whether the file begins like a zip archive, as TorchScript and torch.export files do."""
    with path.open("rb") as file:
        return file.read(2) == b"PK"


def archived_text(path: Path, name: str) -> bytes | None:
    """Return the extra file `name` of a TorchScript or torch.export archive, None where it has none."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.namelist() if member.endswith(f"/extra/{name}")]
            return archive.read(members[0]) if members else None
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise DamagedError(path) from error


def onnx_metadata(path: Path, key: str) -> bytes | None:
    """Return the value of `key` in the metadata of an ONNX model; None where it is absent, or no model.

    Walks over the outermost fields of the model: the graph, nearly the whole of the file, is skipped.
    """
    with path.open("rb") as file:
        try:
            for number, start, length in _fields(file, 0, os.fstat(file.fileno()).st_size):
                if number == _METADATA_PROPS:
                    parts = list(_fields(file, start, start + length))
                    entry = {part: _read(file, at, size) for part, at, size in parts}
                    if entry.get(_ENTRY_KEY) == key.encode():
                        return entry.get(_ENTRY_VALUE)
        except EOFError as error:
            raise DamagedError(path) from error
        except ValueError:  # not protobuf at all
            return None
    return None


def _fields(file: BinaryIO, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Give number, start and length of each field of the protobuf message in file[start:end].

    Raises EOFError where the message is cut off, ValueError where it is none.
    """
    while start < end:
        file.seek(start)
        tag = _varint(file)
        number, wire_type = tag >> 3, tag & 7
        if wire_type not in (0, 1, 2, 5) or not number:
            raise ValueError(f"{tag} begins no field")
        at, length = file.tell(), {1: 8, 5: 4}.get(wire_type, 0)
        if wire_type in (0, 2):
            value = _varint(file)
            # A number is its own field; what has a length stands behind it.
            at, length = (at, file.tell() - at) if wire_type == 0 else (file.tell(), value)
        if at + length > end:
            raise EOFError
        yield number, at, length
        start = at + length


def _varint(file: BinaryIO) -> int:
    value = 0
    for shift in range(0, 64, 7):
        byte = file.read(1)
        if not byte:
            raise EOFError
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise ValueError("longer than 64 bits")


def _read(file: BinaryIO, start: int, length: int) -> bytes:
    file.seek(start)
    return file.read(length)
