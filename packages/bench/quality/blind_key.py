"""The key of blind sheets: which of two programs a sheet shows as A."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.quality.text_lines import read_lines
from core.errors import UsageError
from core.files import replacing

SHEET = "sheet"
"""Heading of the first column of a key."""

LETTERS = ("A", "B")


@dataclass(frozen=True)
class Key:
    """A key of the sheets of two programs; `letters` has the letter of the first program by the name of the sheet."""

    programs: tuple[str, str]
    letters: Mapping[str, str]

    def write(self, path: Path) -> None:
        """Write a header with the programs, and a line for each sheet with their letters, separated by tabs."""
        rows = [(SHEET, *self.programs), *((sheet, letter, other(letter)) for sheet, letter in self.letters.items())]
        with replacing(path) as temporary:
            temporary.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> "Key":
        """Read a key that `write` wrote.

        Raises:
            UsageError: The file cannot be read, is no key, or has an invalid line.
        """
        rows = read_rows(path, "key")
        if len(rows) < 2 or len(rows[0][1]) != 3 or rows[0][1][0] != SHEET:
            raise UsageError(f"{path} is no key of blind sheets: name a file that python -m bench quality wrote")
        letters: dict[str, str] = {}
        for where, fields in rows[1:]:
            if len(fields) != 3 or fields[1] not in LETTERS or fields[2] != other(fields[1]) or fields[0] in letters:
                raise UsageError(f"{where} is invalid: expected a new sheet, and the letters A and B")
            letters[fields[0]] = fields[1]
        _, first, second = rows[0][1]
        return cls((first, second), letters)


def other(letter: str) -> str:
    """Return the letter of the second program, given that of the first."""
    return "B" if letter == "A" else "A"


def read_rows(path: Path, what: str) -> list[tuple[str, tuple[str, ...]]]:
    """Return the place of each line that is not blank, for error messages, and its fields, which tabs separate.

    Raises:
        UsageError: The file cannot be read.
    """
    lines = read_lines(path, f"the {what}")
    return [
        (f"line {number} of {path}", tuple(field.strip() for field in line.split("\t")))
        for number, line in enumerate(lines, 1)
        if line.strip()
    ]
