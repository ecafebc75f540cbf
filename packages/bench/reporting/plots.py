"""Charts of result files, drawn with Matplotlib's default style.

Each `plot_…` function draws one chart and returns its figure, or None if no line would join two points of a line chart.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bench.reporting.text import one_line
from bench.results import Benchmark, BenchmarkRun, QualityRun, RaceRun, Run, TimeToQualityRun
from core.errors import StyleTransferError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Benchmarks = Sequence[Benchmark]
Lines = Mapping[str, Sequence[tuple[float, float]]]
"""Points (x, y) of every line by its label."""

MEASURE_LABELS = "difference of structure from the content", "difference of style from the style image"
"""Labels of the axes for the two measures that a picture must balance."""


def plot_throughput(title: str, benchmarks: Benchmarks) -> "Figure | None":
    """Megapixel-evaluations per second by image size."""
    lines = _lines(benchmarks, lambda it: it.figures.megapixel_evaluations_per_second)
    return _plot_by_size(title, lines, "megapixel-evaluations per second")


def plot_cost(title: str, benchmarks: Benchmarks) -> "Figure | None":
    """Seconds per megapixel-evaluation by image size; level if the cost is proportional to the area."""
    lines = _lines(benchmarks, lambda it: (rate := it.figures.megapixel_evaluations_per_second) and 1 / rate)
    return _plot_by_size(title, lines, "seconds per megapixel-evaluation")


def plot_share_of_limit(title: str, benchmarks: Benchmarks) -> "Figure | None":
    """Share of the rate of a matrix product by image size."""
    lines = _lines(benchmarks, lambda it: (share := it.figures.share_of_limit) and 100 * share)
    return _plot_by_size(title, lines, "% of limit")


def plot_memory(title: str, benchmarks: Benchmarks) -> "Figure | None":
    """Peak memory by image size."""
    lines = _lines(benchmarks, lambda it: (peak := it.figures.peak_memory_bytes) and peak / 1e6)
    return _plot_by_size(title, lines, "peak memory, MB", log_y=True)


def plot_loss(run: TimeToQualityRun) -> "Figure | None":
    """Delivered loss of every program by its time."""
    lines = {
        program.name: [(point.seconds, point.loss) for point in program.points]
        for program in run.programs
        if program.points
    }
    log_y = all(loss > 0 for points in lines.values() for _, loss in points)
    return _plot("delivered loss", lines, "seconds", "loss of the image in the output file", log_y=log_y)


def plot_quality(run: QualityRun) -> "Figure | None":
    """Structure and style of every picture, a colour for each program; both are smaller for a better picture."""
    points = {
        program.name: [
            (picture.measures.structure, picture.measures.style)
            for picture in run.pictures
            if picture.program == program.name
        ]
        for program in run.programs
        if any(picture.program == program.name for picture in run.pictures)
    }
    return _plot("quality", points, *MEASURE_LABELS, marker="o", joined=False)


def plot_race(run: RaceRun) -> "Figure | None":
    """Draw the way of each racer, by its differences of structure and style; all begin near the content image."""
    points = {
        racer.name: [(point.measures.structure, point.measures.style) for point in racer.points] for racer in run.racers
    }
    return _plot("race", points, *MEASURE_LABELS, marker=".")


_Plot = Callable[[str, Benchmarks], "Figure | None"]
_DEFAULT_PLOTS: Mapping[str, _Plot] = {
    "throughput": plot_throughput,
    "share": plot_share_of_limit,
    "memory": plot_memory,
}
_SUITE_PLOTS: Mapping[str, Mapping[str, _Plot]] = {
    "growth": {"cost": plot_cost, "share": plot_share_of_limit, "memory": plot_memory},
    "memory": {"memory": plot_memory},  # the time of a fresh process is no throughput
}


def plot_run(run: Run) -> "dict[str, dict[str, Figure]]":
    """Draw all charts of a result file, by suite or kind of file, and then by the name of the chart.

    Raises:
        StyleTransferError: Matplotlib is not installed.
    """
    with _style():
        if isinstance(run, TimeToQualityRun):
            figure = plot_loss(run)
            return {"time-to-quality": {"loss": figure}} if figure else {}
        if isinstance(run, QualityRun):
            figure = plot_quality(run)
            return {"quality": {"quality": figure}} if figure else {}
        if isinstance(run, RaceRun):
            figure = plot_race(run)
            return {"race": {"race": figure}} if figure else {}
        return _plot_suites(run)


def _plot_suites(run: BenchmarkRun) -> "dict[str, dict[str, Figure]]":
    charts: dict[str, dict[str, Figure]] = {}
    for suite, device in dict.fromkeys((it.figures.suite, it.figures.device) for it in run.benchmarks):
        benchmarks = [it for it in run.benchmarks if (it.figures.suite, it.figures.device) == (suite, device)]
        for name, plot in _SUITE_PLOTS.get(suite, _DEFAULT_PLOTS).items():
            if figure := plot(f"{suite} on {device}", benchmarks):
                charts.setdefault(suite, {})[f"{suite}-{device}-{name}"] = figure
    return charts


def _lines(benchmarks: Benchmarks, figure: Callable[[Benchmark], float | None]) -> Lines:
    """Group the benchmarks by backend and precision, and return (megapixels, figure) of each group by size."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for benchmark in benchmarks:
        x, y = benchmark.megapixels, figure(benchmark)
        if x and y:
            lines.setdefault(_label(benchmark), []).append((x, y))
    return {label: sorted(points) for label, points in lines.items()}


def _label(benchmark: Benchmark) -> str:
    """Return the backend, and the precision if it is neither float32 nor part of the backend's name."""
    backend, precision = benchmark.figures.backend, benchmark.figures.precision
    return backend if precision == "fp32" or precision in backend else f"{backend} {precision}"


def _plot_by_size(title: str, lines: Lines, y_label: str, *, log_y: bool = False) -> "Figure | None":
    return _plot(title, lines, "megapixels", y_label, log_x=True, log_y=log_y, marker="o")


def _plot(
    title: str,
    lines: Lines,
    x_label: str,
    y_label: str,
    *,
    log_x: bool = False,
    log_y: bool = False,
    marker: str = "",
    joined: bool = True,
) -> "Figure | None":
    if joined and not any(len(points) > 1 for points in lines.values()):
        return None
    from matplotlib.figure import Figure

    figure = Figure(layout="constrained")
    axes = figure.add_subplot(title=one_line(title), xlabel=x_label, ylabel=y_label)
    for points in lines.values():
        axes.plot(*zip(*points, strict=True), marker=marker, linestyle="-" if joined else "")
    # Labels are passed here, because Matplotlib hides lines whose own label begins with an underscore.
    axes.legend(axes.get_lines(), [one_line(label) for label in lines])
    axes.grid(visible=True)
    _scale(axes, log_x=log_x, log_y=log_y)
    return figure


def _scale(axes: "Axes", *, log_x: bool, log_y: bool) -> None:
    """Set the scales; linear axes begin at 0, logarithmic ones have plain numbers at 1, 2 and 5."""
    from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

    axes.set_xscale("log" if log_x else "linear")
    axes.set_yscale("log" if log_y else "linear")
    for axis, is_log in ((axes.xaxis, log_x), (axes.yaxis, log_y)):
        if is_log:
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axis.set_minor_locator(NullLocator())
    if not log_x:
        axes.set_xlim(left=0)
    if not log_y:
        axes.set_ylim(bottom=0)


@contextmanager
def _style() -> Iterator[None]:
    """Use Matplotlib's default style whatever the user's settings, no mathematics in names, reproducible files."""
    try:
        from matplotlib import style
    except ImportError as error:
        raise StyleTransferError("plots need matplotlib, which is not installed: pip install matplotlib") from error
    with style.context(["default", {"text.parse_math": False, "svg.hashsalt": "bench"}]):
        yield


def save_svg(figure: "Figure", path: str, *, creator: str) -> None:
    """Write a figure as SVG, with the same bytes for the same figure."""
    with _style():
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": creator})
