"""Plots of results as SVG: which there are, from the figures, and how they look."""

import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

from bench.reporting.results import Benchmark, PeersRun, Run
from core.errors import StyleTransferError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Scale = Literal["linear", "log", "percent"]
"""Of these, percent is linear and shows all of 0 to 100."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line: its name, its points from left to right, and a number that stands for its colour and marker."""

    label: str
    points: tuple[tuple[float, float], ...]
    style: int


@dataclass(frozen=True, kw_only=True)
class Chart:
    """What a plot shows; `name` tells it from the others of a file of results, labels include the unit."""

    name: str
    title: str
    x_label: str
    y_label: str
    x_scale: Literal["linear", "log"]
    y_scale: Scale
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class _Quantity:
    name: str
    label: str
    scale: Scale
    figure: Callable[[Benchmark], float | None]


_THROUGHPUT = _Quantity(
    "throughput", "megapixel-evaluations a second", "linear", lambda it: it.megapixel_evaluations_per_second
)
_COST = _Quantity(
    "cost",
    "seconds a megapixel-evaluation: level where the cost grows like the picture",
    "linear",
    lambda it: (rate := it.megapixel_evaluations_per_second) and 1 / rate,
)
_SHARE = _Quantity("share", "% of the limit", "percent", lambda it: (share := it.share_of_limit) and 100 * share)
_MEMORY = _Quantity("memory", "peak memory, MB", "log", lambda it: (peak := it.peak_memory_bytes) and peak / 1e6)

# A suite named here has plots of its own; a painting in a fresh process is measured for its memory alone.
_PLOTTED: Mapping[str, Sequence[_Quantity]] = {"growth": (_COST, _SHARE, _MEMORY), "memory": (_MEMORY,)}
_OTHERWISE: Sequence[_Quantity] = (_THROUGHPUT, _SHARE, _MEMORY)


def charts_of(run: Run | PeersRun) -> Mapping[str, Sequence[Chart]]:
    """The charts of a file of results by suite, or that of its race under "race".

    A suite has one for every device and quantity, but only where a line joins two sizes.
    """
    return _of_race(run) if isinstance(run, PeersRun) else _of_suites(run)


def _of_suites(run: Run) -> Mapping[str, Sequence[Chart]]:
    styles = {series: at for at, series in enumerate(dict.fromkeys(map(_series, run.benchmarks)))}
    charts: dict[str, list[Chart]] = {}
    for suite, device in dict.fromkeys((benchmark.suite, benchmark.device) for benchmark in run.benchmarks):
        here = [benchmark for benchmark in run.benchmarks if (benchmark.suite, benchmark.device) == (suite, device)]
        for quantity in _PLOTTED.get(suite, _OTHERWISE):
            lines = tuple(
                Line(label=series, points=points, style=style)
                for series, style in styles.items()
                if (points := _points([benchmark for benchmark in here if _series(benchmark) == series], quantity))
            )
            if any(len(line.points) > 1 for line in lines):
                chart = Chart(
                    name=f"{suite}-{device}-{quantity.name}",
                    title=f"{suite} on {device}",
                    x_label="megapixels",
                    y_label=quantity.label,
                    x_scale="log",
                    y_scale=quantity.scale,
                    lines=lines,
                )
                charts.setdefault(suite, []).append(chart)
    return charts


def _of_race(run: PeersRun) -> Mapping[str, Sequence[Chart]]:
    lines = tuple(
        Line(label=contender.name, points=tuple((point.seconds, point.loss) for point in contender.points), style=at)
        for at, contender in enumerate(run.contenders)
        if contender.points
    )
    if not any(len(line.points) > 1 for line in lines):
        return {}
    chart = Chart(
        name="loss",
        title="delivered loss",
        x_label="seconds",
        y_label="loss of the picture as a file holds it",
        x_scale="linear",
        y_scale="log" if all(loss > 0 for line in lines for _, loss in line.points) else "linear",
        lines=lines,
    )
    return {"race": [chart]}


def _series(benchmark: Benchmark) -> str:
    """Backend and precision, where that is another than float32 and the backend's name does not say it."""
    implied = benchmark.precision == "fp32" or benchmark.precision in benchmark.backend
    return benchmark.backend if implied else f"{benchmark.backend} {benchmark.precision}"


def _points(benchmarks: Sequence[Benchmark], quantity: _Quantity) -> tuple[tuple[float, float], ...]:
    pairs = ((benchmark.megapixels, quantity.figure(benchmark)) for benchmark in benchmarks)
    return tuple(sorted((x, y) for x, y in pairs if x and y))


# --- How they look

COLOURS: Mapping[str, tuple[str, str]] = {
    "surface": ("#fffdf9", "#211e1a"),
    "ink": ("#211d18", "#f2ece2"),
    "soft": ("#655c50", "#b3a999"),
    "line": ("#e4ddd1", "#3b352d"),
}
"""Each colour and its counterpart on a dark page, of the page around the plots too."""

# Okabe and Ito's, told apart with any colour vision, darkened on light where they would be too pale for text.
_LINES = (
    ("#0072b2", "#5ab4ee"),
    ("#c04a00", "#ff8f4d"),
    ("#007a5a", "#33c99b"),
    ("#a8467e", "#e793c0"),
    ("#8a6800", "#e8bd40"),
    ("#5e5750", "#c9c0b4"),
)
_MARKERS = "osD^vPX"
_MOST_MARKERS = 12
"""Points of a line that are each marked; of more only the last is."""

_INCHES = (6.4, 4.0)
_NAME_HEIGHT = 13.0
"""Points that the name of a line takes."""

_LOOK: dict[Any, Any] = {
    "svg.fonttype": "none",  # text that can be searched, selected and read aloud
    "svg.hashsalt": "bench",  # names inside the file that do not change from one time to the next
    "text.parse_math": False,
    "font.size": 10,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.edgecolor": COLOURS["soft"][0],
    "axes.labelcolor": COLOURS["soft"][0],
    "xtick.color": COLOURS["soft"][0],
    "ytick.color": COLOURS["soft"][0],
    "ytick.major.size": 0,
}


def render(chart: Chart, creator: str) -> str:
    """Draw a chart as SVG, the same bytes for the same figures, that is light or dark like the page around it.

    Raises:
        StyleTransferError: Matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise StyleTransferError("plots need matplotlib, which is not installed: pip install matplotlib") from error
    with mpl.rc_context():
        mpl.rcdefaults()  # whatever the user's own settings are
        mpl.rcParams.update(_LOOK)
        figure = Figure(_INCHES, dpi=72, layout="constrained", facecolor=COLOURS["surface"][0])
        axes = figure.add_subplot(facecolor="none")
        for at, line in enumerate(chart.lines):
            _draw(axes, line, dashed=_colour(line) in map(_colour, chart.lines[:at]))
        _scale(axes, chart)
        _label(axes, chart)
        figure.draw_without_rendering()  # the names need to know how high the axes become
        _name(axes, chart.lines)
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": creator, "Title": chart.title})
    return drawn.getvalue().replace("<defs>", f"<defs>\n  {_dark_style()}", 1)


def _colour(line: Line) -> str:
    return _LINES[line.style % len(_LINES)][0]


def _draw(axes: "Axes", line: Line, *, dashed: bool) -> None:
    axes.plot(
        *zip(*line.points, strict=True),
        color=_colour(line),
        linestyle="--" if dashed else "-",
        linewidth=2,
        marker=_MARKERS[line.style % len(_MARKERS)],
        markersize=5,
        markevery=None if len(line.points) <= _MOST_MARKERS else [len(line.points) - 1],
        clip_on=False,
    )


def _scale(axes: "Axes", chart: Chart) -> None:
    """Limits that hold all points, from nothing up where the scale allows it, and ticks at round numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    xs, ys = zip(*(point for line in chart.lines for point in line.points), strict=True)
    axes.set_xscale(chart.x_scale)
    axes.set_yscale("log" if chart.y_scale == "log" else "linear")
    for axis, scale in ((axes.xaxis, chart.x_scale), (axes.yaxis, chart.y_scale)):
        axis.set_major_locator(
            LogLocator(subs=(1, 2, 5)) if scale == "log" else MaxNLocator(5, steps=(1, 2, 2.5, 5, 10))
        )
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.set_xlim(*((min(xs) / 1.05, max(xs) * 1.05) if chart.x_scale == "log" else (0, max(xs) or 1)))
    if chart.y_scale == "log":
        axes.set_ylim(_tick_below(min(ys)), 1 / _tick_below(1 / max(ys)))
    else:
        axes.set_ylim(0, max(100, *ys) if chart.y_scale == "percent" else 1.05 * max(ys) or 1)


def _tick_below(value: float) -> float:
    """The largest of …, 0.1, 0.2, 0.5, 1, 2, 5, 10, … that is at most `value`."""
    decade = 10.0 ** math.floor(math.log10(value))
    return decade * max(step for step in (1, 2, 5) if step == 1 or step * decade <= value * (1 + 1e-9))


def _label(axes: "Axes", chart: Chart) -> None:
    axes.set_title(chart.title, loc="left", color=COLOURS["ink"][0], fontsize=12, fontweight="bold", pad=26)
    # Across the top, where it is read without turning the head.
    axes.annotate(
        chart.y_label,
        (0, 1),
        (0, 10),
        xycoords="axes fraction",
        textcoords="offset points",
        color=COLOURS["soft"][0],
    )
    axes.set_xlabel(chart.x_label, loc="right")
    axes.grid(axis="y", color=COLOURS["line"][0], linewidth=0.8)
    axes.set_axisbelow(True)


def _name(axes: "Axes", lines: Sequence[Line]) -> None:
    """Write the names of the lines beside their ends, in their colours: nobody has to look them up in a legend."""
    ends = [axes.transAxes.inverted().transform(axes.transData.transform(line.points[-1]))[1] for line in lines]
    heights = _apart(ends, _NAME_HEIGHT / axes.get_window_extent().height)
    for line, height in zip(lines, heights, strict=True):
        leader = {"arrowstyle": "-", "color": _colour(line), "linewidth": 0.6, "shrinkB": 5, "relpos": (0, 0.5)}
        axes.annotate(
            line.label,
            line.points[-1],
            (1.06, height),
            textcoords="axes fraction",
            color=_colour(line),
            verticalalignment="center",
            arrowprops=leader,
        )


def _apart(wanted: Sequence[float], gap: float) -> list[float]:
    """Places at least `gap` from each other and below 1 + `gap`, in the order of those wanted and near them."""
    order = sorted(range(len(wanted)), key=wanted.__getitem__)
    placed = list(wanted)
    for lower, upper in pairwise(order):
        placed[upper] = max(placed[upper], placed[lower] + gap)
    limit = 1 + gap
    for at in reversed(order):
        placed[at] = min(placed[at], limit)
        limit = placed[at] - gap
    return placed


def _dark_style() -> str:
    """Rules that exchange every colour for its counterpart on a dark page."""
    rules = "".join(
        f'[style*="{what}: {light}"]{{{what}:{dark}!important}}'
        for light, dark in (*COLOURS.values(), *_LINES)
        for what in ("fill", "stroke")
    )
    return f"<style>@media (prefers-color-scheme: dark){{{rules}}}</style>"
