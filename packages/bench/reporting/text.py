"""Numbers and tables as text."""

import math
import re
from collections.abc import Mapping, Sequence

NO_VALUE = "–"

Row = Mapping[str, str]
"""Cells of a table row in Markdown, by column heading."""


def format_number(value: float | None, digits: int = 3) -> str:
    """Format a number with `digits` significant digits and no exponent; None becomes a dash."""
    if value is None:
        return NO_VALUE
    if not value or not math.isfinite(value):
        return f"{value:g}"
    decimals = digits - 1 - int(f"{value:.{digits - 1}e}".partition("e")[2])
    return f"{round(value, decimals):,.{max(0, decimals)}f}"


def one_line(text: str) -> str:
    """Replace line breaks and control characters, which break tables and are invalid in SVG, by spaces."""
    return "".join(character if character.isprintable() else " " for character in text)


def escape_markdown(text: str) -> str:
    """Return text on one line that Markdown shows literally; result files may contain any text."""
    return re.sub(r"([\\`*_\[\]<>|&~#$])", r"\\\1", one_line(text))


def markdown_table(rows: Sequence[Row], *, text_columns: Sequence[str]) -> list[str]:
    """Return a Markdown table as a list of one block, without empty columns; no block if there are no rows.

    Columns in `text_columns` are aligned left, the others right.
    """
    if not rows:
        return []
    all_headings = dict.fromkeys(heading for row in rows for heading in row)
    headings = [heading for heading in all_headings if any(row.get(heading, NO_VALUE) != NO_VALUE for row in rows)]
    lines = [headings, ["---" if heading in text_columns else "---:" for heading in headings]]
    lines += [[row.get(heading, NO_VALUE) for heading in headings] for row in rows]
    return ["\n".join(f"| {' | '.join(line)} |" for line in lines)]
