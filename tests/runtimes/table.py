"""The table of docs/runtimes.md: one row per runtime, one column per artifact."""

import platform
import re
from collections.abc import Mapping
from datetime import date
from importlib.metadata import version
from pathlib import Path

import onnxruntime

from bench.machine import describe_machine
from runtimes.artifacts import ARTIFACTS, SIZES
from runtimes.registry import RUNTIMES, Runtime

PAGE = Path(__file__).parents[2] / "docs" / "runtimes.md"
START, END = "<!-- table: start -->\n", "<!-- table: end -->\n"
COLUMNS = ("runtime", "version", *ARTIFACTS, "measured", "remark")
NOT_RUN, FAILS, NO_FILE = "not run", "fails", "–"
"""Cells of an artifact that was not run, that a runtime unexpectedly cannot run, and that it has no format for."""

Row = dict[str, str]
"""The cells of a row by column."""


class Results:
    """The cells of a session by runtime."""

    def __init__(self) -> None:
        self._rows: dict[str, Row] = {}

    def add(self, runtime: Runtime, artifact: str, cell: str, version: str) -> None:
        """Record a cell: figures, or the reason why there are none."""
        row = self._rows.setdefault(runtime.name, {"measured": date.today().isoformat()})
        row |= {artifact: cell, "version": version or row.get("version", NOT_RUN)}

    def write(self) -> None:
        """Write the table; rows that were not measured keep their cells."""
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
        table, _, after = rest.partition(END)
        rows = read_rows(table)
        for name, row in self._rows.items():
            rows[name] = rows.get(name, {}) | row
        PAGE.write_text("".join((before, START, render(rows), END, after)), encoding="utf-8")


def figures(errors: Mapping[str, float]) -> str:
    """Return the errors as a cell, without the name of a single quantity."""
    texts = {quantity: f"{error:.1e}" if error else "0" for quantity, error in errors.items()}
    if len(texts) == 1:
        return next(iter(texts.values()))
    return ", ".join(f"{quantity} {text}" for quantity, text in texts.items())


def read_rows(table: str) -> dict[str, Row]:
    """Return the rows of a table by their first cell."""
    lines = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in re.findall(r"^\|.*\|$", table, re.M)]
    rows = [dict(zip(lines[0], line, strict=True)) for line in lines[2:]] if lines else []
    return {row["runtime"]: row for row in rows}


def render(rows: Mapping[str, Row]) -> str:
    """Return the caption and the table with a row for each runtime."""
    sizes = ", ".join(f"{height} × {width}" for height, width in SIZES)
    caption = (
        f"Images of {sizes} pixels; {describe_machine().cpu}, Python {platform.python_version()}, "
        f"PyTorch {version('torch')}; compared with ONNX Runtime {onnxruntime.__version__}."
    )
    lines = [COLUMNS, ("---",) * len(COLUMNS), *(_cells(one, rows.get(one.name, {})) for one in RUNTIMES)]
    return "\n".join((caption, "", *(f"| {' | '.join(line)} |" for line in lines))) + "\n"


def _cells(runtime: Runtime, row: Row) -> tuple[str, ...]:
    known = {"runtime": runtime.name, "remark": runtime.remark or NO_FILE}
    known |= {name: NO_FILE for name in ARTIFACTS if name not in runtime.formats}
    return tuple(known.get(column) or row.get(column, NOT_RUN) for column in COLUMNS)
