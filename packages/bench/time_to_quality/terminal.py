"""Progress and result of a time-to-quality benchmark on the terminal."""

from rich.table import Table

from bench.reporting.race_rows import RACE_TEXT_COLUMNS, race_rows
from bench.reporting.terminal_table import TABLE_WIDTH, print_rows
from bench.results import Point, RacePoint, RaceRun, Speedup, TimeToQualityRun
from core.cli.terminal import cell, print_line, print_table

COLUMNS = ("evaluations", "seconds", "loss", "content", "style", "toolkit after", "speedup", "content too", "speedup")


def print_point(name: str, point: Point) -> None:
    """Print a point of a running program to stderr."""
    line = f"{name:11} {point.evaluations:4} evaluations {point.seconds:8.1f} s  loss {point.loss:.5g}"
    print_line(line, stderr=True)


def print_results(run: TimeToQualityRun) -> None:
    """Print the table of results, at least `TABLE_WIDTH` characters wide."""
    print_table(results_table(run), TABLE_WIDTH)


def results_table(run: TimeToQualityRun) -> Table:
    """Return a table with the last point of each program, and the speedup over each baseline."""
    settings = run.settings
    width, height = settings["size"]
    table = Table(
        title=cell(
            f"delivered loss: {settings['content']} in {settings['style']}, {width}x{height}, {settings['device']}"
        )
    )
    table.add_column("", no_wrap=True)
    for column in COLUMNS:
        table.add_column(column, justify="right")
    speedups = {row.baseline: row for row in run.speedups}
    for program in run.programs:
        if program.skipped is not None:
            table.add_row(program.name, f"skipped: {program.skipped}")
            continue
        end = program.points[-1]
        losses = [f"{loss:.4g}" for loss in (end.loss, end.parts["content"], end.parts["style"])]
        row = speedups.get(program.name)
        cells = _speedup_cells(row) if row else []
        table.add_row(program.name, str(end.evaluations), f"{end.seconds:.1f}", *losses, *cells)
    return table


def _speedup_cells(row: Speedup) -> list[str]:
    pairs = ((row.toolkit_seconds, row.speedup), (row.content_seconds, row.content_speedup))
    return [
        cell
        for seconds, ratio in pairs
        for cell in (("never", "") if seconds is None or ratio is None else (f"{seconds:.1f}", f"{ratio:.2f}"))
    ]


def print_race_point(name: str, point: RacePoint) -> None:
    """Print a measured picture of a running race to stderr."""
    measures = f"structure {point.measures.structure:.4f}  style {point.measures.style:.4f}"
    print_line(f"{name:11} {point.evaluations:4} evaluations {point.seconds:8.1f} s  {measures}", stderr=True)


def print_race(run: RaceRun) -> None:
    """Print a table of the racers."""
    width, height = run.size
    title = f"race: {run.content} in {run.style}, {width}x{height}"
    print_rows(title, race_rows(run), text_columns=RACE_TEXT_COLUMNS)
