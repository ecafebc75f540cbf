"""Keys of blind sheets, written and read."""

from pathlib import Path

import pytest

from bench.quality.blind_key import LETTERS, Key, other, read_rows
from core.errors import UsageError

KEY = Key(("ours", "theirs"), {"s1": "A", "s2": "B", "s3": "A", "s4": "B"})


def test_key_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "ours-vs-theirs.tsv"
    KEY.write(path)
    assert path.read_text() == "sheet\tours\ttheirs\ns1\tA\tB\ns2\tB\tA\ns3\tA\tB\ns4\tB\tA\n"
    assert Key.read(path) == KEY


def test_a_key_that_an_editor_saved_is_read(tmp_path: Path) -> None:
    """With a byte order mark, other line ends, spaces and blank lines."""
    path = tmp_path / "key.tsv"
    path.write_bytes(b"\xef\xbb\xbfsheet\tours\ttheirs\r\n\r\ns1\tA \tB\r\n  s2\tB\tA\r\n")
    assert Key.read(path) == Key(("ours", "theirs"), {"s1": "A", "s2": "B"})


def test_rows_are_numbered_by_the_lines_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.tsv"
    path.write_text("a\tb\n\n  \nc\n")
    assert read_rows(path, "key") == [(f"line 1 of {path}", ("a", "b")), (f"line 4 of {path}", ("c",))]


def test_the_other_program_has_the_other_letter() -> None:
    assert [other(letter) for letter in LETTERS] == ["B", "A"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("s1\tA\n", "is no key of blind sheets"),
        ("sheet\ta\tb\n", "is no key of blind sheets"),
        ("sheet\ta\tb\ns1\tA\tA\n", "^line 2 of .* is invalid"),
        ("sheet\ta\tb\ns1\tA\n", "^line 2 of .* is invalid"),
        ("sheet\ta\tb\ns1\tA\tB\ns1\tA\tB\n", "^line 3 of .* is invalid"),
    ],
)
def test_bad_keys_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "key.tsv"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        Key.read(path)
