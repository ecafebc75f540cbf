"""The table of a time-to-quality benchmark."""

from datetime import UTC, datetime
from io import StringIO

from rich.console import Console

from bench.machine import Machine
from bench.results import Point, ProgramResult, TimeToQualityRun
from bench.time_to_quality.speedups import speedup
from bench.time_to_quality.terminal import results_table


def program(name: str, *rows: tuple[float, float, float], skipped: str | None = None) -> ProgramResult:
    """A program with a point per row of seconds, content loss and style loss."""
    points = tuple(
        Point(number, seconds, content + style, {"content": content, "style": style})
        for number, (seconds, content, style) in enumerate(rows)
    )
    return ProgramResult(name=name, description="", points=points, skipped=skipped)


def test_results_table_shows_last_points_and_speedups() -> None:
    toolkit = program("toolkit", (2.5, 40, 11), (5, 7, 8))
    near, far = program("near", (20, 6, 9)), program("far", (30, 1, 2))
    run = TimeToQualityRun(
        kind="time-to-quality",
        date=datetime(2026, 1, 2, tzinfo=UTC),
        machine=Machine(name="A CPU", versions={}),
        settings={"content": "cup.jpg", "style": "night.jpg", "size": [48, 32], "device": "cpu"},
        programs=(toolkit, near, far, program("gone", skipped="not installed")),
        speedups=tuple(speedup(it.name, toolkit.points, it.points) for it in (near, far)),
    )
    console = Console(width=140, record=True, file=StringIO())
    console.print(results_table(run))
    text = console.export_text()
    rows = {line.split()[1]: line.split()[2:] for line in text.splitlines() if line.startswith("│")}
    cells = {name: [cell for cell in row if cell != "│"] for name, row in rows.items()}
    assert "delivered loss: cup.jpg in night.jpg, 48x32, cpu" in text
    assert cells["toolkit"] == ["1", "5.0", "15", "7", "8"]
    assert cells["near"] == ["0", "20.0", "15", "6", "9", "5.0", "4.00", "never"]
    assert cells["far"] == ["0", "30.0", "3", "1", "2", "never", "never"]
    assert cells["gone"] == ["skipped:", "not", "installed"]
