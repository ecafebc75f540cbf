"""Archives are read without decompression, and never beyond the size of their file."""

import struct
import zipfile
from pathlib import Path

import pytest

from core.archives import read_members
from core.errors import UsageError


def write(path: Path, compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("root/a", b"a" * 1000)
        archive.writestr("root/folder/b", b"b")
    return path


def refusal(path: Path) -> str:
    with pytest.raises(UsageError) as caught:
        read_members(path)
    return str(caught.value).replace(str(path), "FILE")


def test_members_are_returned_without_the_root_folder(tmp_path: Path) -> None:
    path = write(tmp_path / "zip")
    assert read_members(path) == {"a": b"a" * 1000, "folder/b": b"b"}
    assert read_members(path, lambda name: name.startswith("folder/")) == {"folder/b": b"b"}


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressed_members_are_refused_unread(compression: int, tmp_path: Path) -> None:
    path = write(tmp_path / "zip", compression)
    content = path.read_bytes().replace(b"a" * 8, b"z" * 8)
    path.write_bytes(content[:50] + b"\xff" * 4 + content[54:])  # the compressed numbers are damaged too
    assert refusal(path) == "FILE has the compressed member root/a: write it again without compression"


def test_members_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "zip")
    content = path.read_bytes()
    directory = content.index(b"PK\x01\x02")
    second = content.index(b"PK\x01\x02", directory + 1)
    end = content.index(b"PK\x05\x06")
    entry = content[directory:second]
    entries = [entry.replace(b"root/a", b"root/%c" % letter) for letter in b"cdefghij"]
    counts = struct.pack("<HHI", 8, 8, sum(map(len, entries)))
    path.write_bytes(content[:directory] + b"".join(entries) + content[end : end + 8] + counts + content[end + 16 :])
    sentence = f"FILE has members of more than the {path.stat().st_size} bytes of the file: "
    assert refusal(path) == sentence + "write it again without compression"


@pytest.mark.parametrize("position", [0, 500, -30])
def test_damaged_archives_are_refused(position: int, tmp_path: Path) -> None:
    path = write(tmp_path / "zip")
    content = bytearray(path.read_bytes())
    content[position] ^= 0xFF
    path.write_bytes(content)
    assert refusal(path) == "FILE is damaged or incomplete: export it again"


def test_members_of_more_than_the_limit_are_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "zip")
    monkeypatch.setattr("core.archives.MAX_BYTES", 1000)
    assert refusal(path) == "FILE has 1001 bytes to read, and an exported file has at most 1000"
    assert read_members(path, lambda name: name == "a") == {"a": b"a" * 1000}
