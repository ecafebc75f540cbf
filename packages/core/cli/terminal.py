"""Text for a terminal: names and messages from files are printed as they are, and never control the terminal."""

import sys
import unicodedata

from rich.console import Console
from rich.table import Table
from rich.text import Text

_ESCAPED = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Categories of Unicode that are printed as escape sequences: control and format characters, half of a surrogate pair
(a byte of a file name that is not UTF-8), separators of lines and paragraphs."""


def plain(text: object) -> str:
    """Return text in one line, with every character that could control a terminal as an escape sequence."""
    return "".join(
        character.encode("unicode_escape").decode() if unicodedata.category(character) in _ESCAPED else character
        for character in str(text)
    )


def make_console() -> Console:
    """Return a console for stdout that takes no markup, emoji codes or numbers in text for anything but text."""
    return Console(soft_wrap=True, markup=False, emoji=False, highlight=False)


def print_table(table: Table, width: int) -> None:
    """Print a table on stdout, as wide as the terminal but at least `width` characters."""
    console = make_console()
    console.width = max(console.width, width)
    console.print(table, soft_wrap=False)


def print_line(text: object, *, stderr: bool = False) -> None:
    """Print text in one line, in the encoding of the terminal, however long it is."""
    stream = sys.stderr if stderr else sys.stdout
    stream.write(plain(text) + "\n")
    stream.flush()


def cell(text: object) -> Text:
    """Return the content of a cell of a table, one line of text for each line."""
    return Text("\n".join(map(plain, str(text).split("\n"))))
