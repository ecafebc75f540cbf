"""Tables of results on the terminal."""

from collections.abc import Sequence

from rich.table import Table

from bench.reporting.text import Row
from core.cli.terminal import cell, print_table

TABLE_WIDTH = 110
"""Least width of a table, in characters."""


def print_rows(title: str, rows: Sequence[Row], *, text_columns: Sequence[str]) -> None:
    """Print rows of equal headings as a table; columns in `text_columns` are aligned left, the others right."""
    table = Table(title=cell(title))
    for heading in rows[0]:
        table.add_column(heading, justify="left" if heading in text_columns else "right")
    for row in rows:
        table.add_row(*map(cell, row.values()))
    print_table(table, TABLE_WIDTH)
