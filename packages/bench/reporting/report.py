"""Report on result files: one Markdown file, and its charts as SVG files beside it."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.reporting.plots import plot_run, save_svg
from bench.reporting.quality_rows import picture_rows, summary_rows
from bench.reporting.race_rows import race_rows
from bench.reporting.text import NO_VALUE, Row, escape_markdown, format_number, markdown_table
from bench.results import Benchmark, BenchmarkRun, ProgramResult, QualityRun, RaceRun, Run, Speedup, TimeToQualityRun
from core.errors import UsageError
from core.files import check_distinct, check_writable, replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CREATOR = "python -m bench report"
"""Part of every file of a report; a file of the same name without it is not overwritten."""

REPORT = "report.md"
TEXT_COLUMNS = (
    *("file", "measured", "machine", "versions"),
    *("benchmark", "backend", "precision", "device"),
    *("program", "description", "baseline", "configuration"),
    *("role", "content", "style image"),
)


def write_report(runs: Sequence[Run], folder: Path) -> Path:
    """Write report.md and its charts report-….svg into `folder`, and return the path of report.md.

    Other files in the folder are left unchanged.

    Raises:
        UsageError: There are no runs, or a file of the same name belongs to no report.
        StyleTransferError: Matplotlib is not installed, or a file cannot be written.
    """
    if not runs:
        raise UsageError("no results to report: name files that python -m bench wrote")
    markdown, charts = make_report(runs)
    check_distinct([folder / name for name in (REPORT, *charts)], [run.file for run in runs])
    for name in (REPORT, *charts):
        _check_replaceable(folder / name)
    for name, figure in charts.items():
        with replacing(folder / name) as temporary:
            save_svg(figure, str(temporary), creator=CREATOR)
    with replacing(folder / REPORT) as temporary:
        temporary.write_text(markdown, encoding="utf-8")
    return folder / REPORT


def make_report(runs: Sequence[Run]) -> "tuple[str, dict[str, Figure]]":
    """Return the report in Markdown, and its charts by file name."""
    files: dict[str, Figure] = {}
    blocks = ["# Benchmarks", *markdown_table([_file_row(run) for run in runs], text_columns=TEXT_COLUMNS)]
    for number, run in enumerate(runs, 1):
        images: dict[str, str] = {}
        for section, charts in plot_run(run).items():
            names = {f"report-{number}-{_file_stem(name)}.svg": figure for name, figure in charts.items()}
            files.update(names)
            images[section] = "\n".join(f"![{_alt_text(figure)}]({name})" for name, figure in names.items())
        blocks += _run_blocks(run, images)
    blocks.append(f"Written by `{CREATOR}`.")
    return "\n\n".join(filter(None, blocks)) + "\n", files


def _run_blocks(run: Run, images: Mapping[str, str]) -> list[str]:
    match run:
        case BenchmarkRun():
            return _suite_blocks(run, images)
        case TimeToQualityRun():
            return _time_to_quality_blocks(run, images)
        case QualityRun():
            return _quality_blocks(run, images)
        case RaceRun():
            return _race_blocks(run, images)


def _check_replaceable(path: Path) -> None:
    check_writable(path)
    if path.exists() and CREATOR.encode() not in path.read_bytes():
        raise UsageError(f"refusing to overwrite {path}, which belongs to no report: choose another folder")


def _file_stem(name: str) -> str:
    return re.sub("[^a-z0-9_]+", "-", name.lower())


def _alt_text(figure: "Figure") -> str:
    (axes,) = figure.axes
    return escape_markdown(f"{axes.get_title()}: {axes.get_ylabel()}")


def _file_row(run: Run) -> Row:
    versions = ", ".join(f"{name} {version}" for name, version in run.versions.items())
    return {
        "file": escape_markdown(Path(run.file).name),
        "measured": f"{run.date:%Y-%m-%d %H:%M %Z}".strip(),
        "machine": escape_markdown(run.machine_name),
        "versions": escape_markdown(versions),
    }


# --- Benchmark suites


def _suite_blocks(run: BenchmarkRun, images: Mapping[str, str]) -> list[str]:
    blocks = [f"## Suites in {escape_markdown(Path(run.file).name)}"]
    for suite in dict.fromkeys(benchmark.figures.suite for benchmark in run.benchmarks):
        rows = [_benchmark_row(benchmark) for benchmark in run.benchmarks if benchmark.figures.suite == suite]
        blocks += [f"### {escape_markdown(suite)}", images.get(suite, "")]
        blocks += markdown_table(rows, text_columns=TEXT_COLUMNS)
    return blocks


def _benchmark_row(benchmark: Benchmark) -> Row:
    figures, rounds = benchmark.figures, benchmark.rounds
    # The parameters in brackets repeat the columns.
    function = benchmark.name.partition("[")[0].removeprefix("test_")
    sides = (figures.width, figures.height)
    share, peak, estimate = figures.share_of_limit, figures.peak_memory_bytes, figures.estimated_memory_bytes
    return {
        "benchmark": NO_VALUE if function == figures.suite else escape_markdown(function),
        "backend": escape_markdown(figures.backend),
        "precision": escape_markdown(figures.precision),
        "device": escape_markdown(figures.device),
        "pixels": NO_VALUE if None in sides else "×".join(map(str, sides)),
        "median ms": format_number(benchmark.median * 1e3),
        "min to max ms": f"{format_number(min(rounds) * 1e3)} to {format_number(max(rounds) * 1e3)}",
        "evaluations/s": format_number(figures.evaluations_per_second),
        "megapixel-evaluations/s": format_number(figures.megapixel_evaluations_per_second),
        "% of limit": format_number(share and share * 100),
        "peak memory MB": format_number(peak and peak / 1e6),
        "estimated MB": format_number(estimate and estimate / 1e6),
    }


# --- Time to quality


def _time_to_quality_blocks(run: TimeToQualityRun, images: Mapping[str, str]) -> list[str]:
    # Nested settings hold the whole configuration, which is too long for a report.
    settings = {name: value for name, value in run.settings.items() if isinstance(value, str | int | float | list)}
    finished = [program for program in run.programs if program.points]
    return [
        f"## Time to quality in {escape_markdown(Path(run.file).name)}",
        escape_markdown(", ".join(f"{name.replace('_', ' ')} {_setting(value)}" for name, value in settings.items())),
        *images.values(),
        *markdown_table([_program_row(program) for program in finished], text_columns=TEXT_COLUMNS),
        *(f"Skipped: {escape_markdown(it.name)}, {escape_markdown(it.skipped)}." for it in run.programs if it.skipped),
        *(["Time at which the toolkit reaches the final loss of each baseline:"] if run.speedups else []),
        *markdown_table([_speedup_row(row) for row in run.speedups], text_columns=TEXT_COLUMNS),
    ]


def _setting(value: object) -> str:
    return "×".join(map(str, value)) if isinstance(value, list) else str(value)


def _program_row(program: ProgramResult) -> Row:
    end = program.points[-1]
    return {
        "program": escape_markdown(program.name),
        "description": escape_markdown(program.description),
        "evaluations": str(end.evaluations),
        "seconds": format_number(end.seconds),
        "delivered loss": format_number(end.loss, 4),
        **{escape_markdown(name): format_number(loss, 4) for name, loss in end.parts.items()},
    }


def _speedup_row(row: Speedup) -> Row:
    return {
        "baseline": escape_markdown(row.baseline),
        "final loss": format_number(row.loss, 4),
        "baseline seconds": format_number(row.baseline_seconds),
        "toolkit seconds": "never" if row.toolkit_seconds is None else format_number(row.toolkit_seconds),
        "speedup": format_number(row.speedup),
        "toolkit seconds, content too": "never" if row.content_seconds is None else format_number(row.content_seconds),
        "speedup, content too": format_number(row.content_speedup),
    }


# --- Quality


def _quality_blocks(run: QualityRun, images: Mapping[str, str]) -> list[str]:
    summary, pictures = ([_escaped(row) for row in rows] for rows in (summary_rows(run), picture_rows(run)))
    return [
        f"## Quality in {escape_markdown(Path(run.file).name)}",
        f"Pictures of {run.size} px. Means over all pairs; peak memory is the largest of all pictures:",
        *images.values(),
        *markdown_table(summary, text_columns=TEXT_COLUMNS),
        "Every picture:",
        *markdown_table(pictures, text_columns=TEXT_COLUMNS),
    ]


def _race_blocks(run: RaceRun, images: Mapping[str, str]) -> list[str]:
    width, height = run.size
    return [
        f"## Race in {escape_markdown(Path(run.file).name)}",
        escape_markdown(
            f"{run.content} in the style of {run.style}, {width}×{height}. Seconds are those of a run alone:"
        ),
        *images.values(),
        *markdown_table([_escaped(row) for row in race_rows(run)], text_columns=TEXT_COLUMNS),
    ]


def _escaped(row: Row) -> Row:
    return {heading: escape_markdown(cell) for heading, cell in row.items()}
