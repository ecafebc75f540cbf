"""Comparison of two runs as a table for the terminal."""

from rich.table import Table
from rich.text import Text

from bench.reporting.compare import SIGNIFICANCE_LEVEL, Comparison, Row
from bench.reporting.text import NO_VALUE, format_number
from core.cli.terminal import cell, print_line, print_table

TABLE_WIDTH = 120

_COLORS = {"slower": "red", "more": "red", "faster": "green", "less": "green"}


def print_comparison(comparison: Comparison) -> None:
    """Print the table, at least `TABLE_WIDTH` characters wide, and the warnings to stderr."""
    print_table(comparison_table(comparison), TABLE_WIDTH)
    for warning in comparison.warnings:
        print_line(f"Note: {warning}", stderr=True)


def comparison_table(comparison: Comparison) -> Table:
    """Return a table with one row for each benchmark of either run."""
    limit = f"{comparison.fail_above:g}"
    rule = f"slower, more: above {limit} times; time by a one-sided Mann-Whitney U test, p <= {SIGNIFICANCE_LEVEL:g}"
    table = Table(title=cell(f"{comparison.title}\n{rule}"))
    table.add_column("benchmark", overflow="fold")
    for heading in ("base ms", "new ms", "ratio", "p", "memory"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for row in comparison.rows:
        table.add_row(*map(cell, _cells(row)), _verdict_text(row))
    for run, names in (("base", comparison.only_base), ("new", comparison.only_new)):
        for name in names:
            table.add_row(cell(name), *[""] * 5, f"only in {run}")
    return table


def _cells(row: Row) -> tuple[str, ...]:
    p_value = NO_VALUE if row.p_value is None else f"{row.p_value:.3f}"
    memory = NO_VALUE if row.memory_ratio is None else f"{row.memory_ratio:.2f}"
    return row.name, format_number(row.base * 1e3), format_number(row.new * 1e3), f"{row.ratio:.2f}", p_value, memory


def _verdict_text(row: Row) -> Text:
    text = Text(row.verdict, style=_COLORS.get(row.verdict, ""))
    if row.memory != "same":
        text.append(f", {row.memory} memory", style=_COLORS[row.memory])
    return text.append(f" ({row.note})" if row.note else "", style="default")
