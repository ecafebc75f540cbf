"""The table of docs/runtimes.md has the rows and columns of the registry, and figures within the bounds."""

import re

import pytest

from runtimes.artifacts import ARTIFACTS
from runtimes.registry import RUNTIMES, Runtime
from runtimes.table import COLUMNS, END, NO_FILE, NOT_RUN, PAGE, START, figures, read_rows, render

TABLE = PAGE.read_text(encoding="utf-8").partition(START)[2].partition(END)[0]
ROWS = read_rows(TABLE)
FIGURE = re.compile(r"(?:(\w+) )?(\d\.\de[-+]\d\d|0)(?:, |$)")


def test_the_page_has_a_row_for_each_runtime_and_a_column_for_each_artifact() -> None:
    assert [*ROWS] == [runtime.name for runtime in RUNTIMES]
    assert all(tuple(row) == COLUMNS for row in ROWS.values())


@pytest.mark.parametrize("runtime", RUNTIMES, ids=lambda runtime: runtime.name)
def test_figures_are_within_the_bounds(runtime: Runtime) -> None:
    for name, artifact in ARTIFACTS.items():
        cell, limit = ROWS[runtime.name][name], runtime.limits.get(name)
        assert (cell == NO_FILE) == (name not in runtime.formats)
        found = FIGURE.findall(cell) if FIGURE.match(cell) else []
        if found:
            default = next(iter(artifact.quantities))
            errors = {quantity or default: float(error) for quantity, error in found}
            assert cell == figures(errors)
            assert errors.keys() == artifact.quantities.keys()
            assert all(error <= runtime.bounds[quantity] for quantity, error in errors.items())
        elif limit:
            assert cell in (limit.reason, NOT_RUN)


def test_render_keeps_the_rows_that_read_rows_returns() -> None:
    rows = {RUNTIMES[0].name: dict.fromkeys(COLUMNS, "x") | {"runtime": RUNTIMES[0].name}}
    rendered = read_rows(render(rows))
    assert [rendered[RUNTIMES[0].name][name] for name in ("version", *ARTIFACTS, "measured")] == ["x"] * (
        2 + len(ARTIFACTS)
    )
    assert rendered[RUNTIMES[1].name]["version"] == NOT_RUN


def test_figures_of_one_quantity_and_of_several() -> None:
    assert figures({"features": 2.04e-7}) == "2.0e-07"
    assert figures({"loss": 0.0, "gradient": 0.5}) == "loss 0, gradient 5.0e-01"
