"""Text files of the user, and files that are none."""

from pathlib import Path

import pytest

from bench.quality.text_lines import read_lines
from core.errors import UsageError


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"a\nb\n", ["a", "b"]),
        (b"\xef\xbb\xbfa\r\nb", ["a", "b"]),
        ("Müll\n".encode(), ["Müll"]),
        (b"", []),
    ],
)
def test_lines_are_read_without_their_ends(data: bytes, lines: list[str], tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(data)
    assert read_lines(tmp_path / "a.txt", "the pairs") == lines


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.txt", "cannot read the pairs {}: No such file or directory"),
        ("folder", "the pairs {} is not a regular file but a folder"),
        ("binary", "the pairs {} is not a text file: expected two names in each line"),
    ],
)
def test_files_that_cannot_be_read_are_refused(name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError) as caught:
        read_lines(tmp_path / name, "the pairs", "expected two names in each line")
    assert str(caught.value).startswith(message.format(tmp_path / name))
