"""Writes results for people: a page that needs nothing else, the Markdown it is made from, and plots."""

import base64
import html
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.reporting.plots import COLOURS, Chart, charts_of, render
from bench.reporting.results import Benchmark, Contender, PeersRun, Ratio, Run, one_line, shown
from core.errors import UsageError
from core.files import check_writable, replacing

CREATOR = "python -m bench report"
"""Stands in every file of a report, and tells it from a file of the user's that has the same name."""

TITLE = "Benchmarks"
Cells = Mapping[str, str]
"""A row of a table: Markdown by heading."""

WORDS = (
    *("file", "measured", "machine", "versions"),
    *("benchmark", "backend", "precision", "device"),
    *("contender", "what it is", "peer", "our content loss"),
)
"""The headings of columns that hold words and stand left; figures stand right."""


def write_report(runs: Sequence[Run | PeersRun], folder: Path) -> None:
    """Write report.md, report.html and their plots, report-….svg, into `folder`; leave all else there as it is.

    The page holds its plots, so that it can be sent as one file.

    Raises:
        UsageError: There are no runs, or a file of such a name is none of a report.
        StyleTransferError: Matplotlib is not installed, or a file cannot be written.
    """
    if not runs:
        raise UsageError("there are no results to report: name files that python -m bench wrote")
    markdown, charts = make_markdown(runs)
    for name in (*charts, "report.md", "report.html"):
        _check_replaceable(folder / name)
    plots = {name: render(chart, CREATOR) for name, chart in charts.items()}
    for name, text in {**plots, "report.md": markdown, "report.html": make_page(markdown, plots)}.items():
        with replacing(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")


def _check_replaceable(path: Path) -> None:
    check_writable(path)
    if path.exists() and CREATOR.encode() not in path.read_bytes():
        raise UsageError(f"{path} is not of a report and would be lost: choose another folder")


def make_markdown(runs: Sequence[Run | PeersRun]) -> tuple[str, dict[str, Chart]]:
    """The report as Markdown, and the charts it shows by the names of their files."""
    named: dict[str, Chart] = {}
    blocks = [f"# {TITLE}", *_table([_measured(run) for run in runs])]
    for at, run in enumerate(runs, 1):
        plots: dict[str, list[str]] = {}
        for section, charts in charts_of(run).items():
            for chart in charts:
                name = f"report-{at}-{re.sub('[^a-z0-9_]+', '-', chart.name.lower())}.svg"
                named[name] = chart
                plots.setdefault(section, []).append(f"![{_plain(f'{chart.title}: {chart.y_label}')}]({name})")
        pictures = {section: "\n".join(images) for section, images in plots.items()}
        blocks += _race(run, pictures) if isinstance(run, PeersRun) else _suites(run, pictures)
    blocks.append(f"Written by `{CREATOR}`.")
    return "\n\n".join(filter(None, blocks)) + "\n", named


# --- In Markdown


def _measured(run: Run | PeersRun) -> Cells:
    versions = ", ".join(f"{name} {version}" for name, version in run.versions.items())
    return {
        "file": _plain(run.path.name),
        "measured": f"{run.date:%Y-%m-%d %H:%M %Z}".strip(),
        "machine": _plain(run.machine),
        "versions": _plain(versions),
    }


def _suites(run: Run, pictures: Mapping[str, str]) -> list[str]:
    blocks = [f"## Suites in {_plain(run.path.name)}"]
    for suite in dict.fromkeys(benchmark.suite for benchmark in run.benchmarks):
        blocks.append(f"### {_plain(suite)}")
        blocks += [pictures[suite]] if suite in pictures else []
        blocks += _table([_row(benchmark) for benchmark in run.benchmarks if benchmark.suite == suite])
    return blocks


def _row(benchmark: Benchmark) -> Cells:
    # The rest of pytest's name repeats the columns.
    function = benchmark.name.partition("[")[0].removeprefix("test_")
    sides = (benchmark.width, benchmark.height)
    share, peak, estimate = benchmark.share_of_limit, benchmark.peak_memory_bytes, benchmark.estimated_memory_bytes
    return {
        "benchmark": shown(None) if function == benchmark.suite else _plain(function),
        "backend": _plain(benchmark.backend),
        "precision": _plain(benchmark.precision),
        "device": _plain(benchmark.device),
        "pixels": shown(None) if None in sides else "×".join(map(str, sides)),
        "median ms": shown(benchmark.median * 1e3),
        "min to max ms": f"{shown(min(benchmark.rounds) * 1e3)} to {shown(max(benchmark.rounds) * 1e3)}",
        "evaluations/s": shown(benchmark.evaluations_per_second),
        "megapixel-evaluations/s": shown(benchmark.megapixel_evaluations_per_second),
        "% of limit": shown(share and share * 100),
        "peak memory MB": shown(peak and peak / 1e6),
        "estimated MB": shown(estimate and estimate / 1e6),
    }


def _race(run: PeersRun, pictures: Mapping[str, str]) -> list[str]:
    # What the settings hold beside simple values is all of our configuration: too much for people.
    settings = {name: value for name, value in run.settings.items() if isinstance(value, str | int | float | list)}
    told = (f"{name.replace('_', ' ')} {_setting(value)}" for name, value in settings.items())
    ran = [contender for contender in run.contenders if contender.points]
    return [
        f"## Time to quality in {_plain(run.path.name)}",
        _plain(", ".join(told)),
        *pictures.values(),
        *_table([_end(contender) for contender in ran]),
        *(f"Skipped: {_plain(one.name)}, {_plain(one.skipped)}." for one in run.contenders if one.skipped),
        *(["When ours delivered the loss that each peer delivers at its end:"] if run.ratios else []),
        *_table([_sooner(ratio) for ratio in run.ratios]),
    ]


def _setting(value: object) -> str:
    return "×".join(map(str, value)) if isinstance(value, list) else str(value)


def _end(contender: Contender) -> Cells:
    end = contender.points[-1]
    return {
        "contender": _plain(contender.name),
        "what it is": _plain(contender.description),
        "evaluations": str(end.evaluations),
        "seconds": shown(end.seconds),
        "delivered loss": shown(end.loss, 4),
        **{_plain(name): shown(loss, 4) for name, loss in end.parts.items()},
    }


def _sooner(ratio: Ratio) -> Cells:
    return {
        "peer": _plain(ratio.peer),
        "its loss": shown(ratio.mark, 4),
        "its seconds": shown(ratio.peer_seconds),
        "our seconds": "never" if ratio.our_seconds is None else shown(ratio.our_seconds),
        "ratio": shown(ratio.ratio),
        "with no more content loss": "never" if ratio.content_seconds is None else shown(ratio.content_seconds),
        "ratio then": shown(ratio.content_ratio),
    }


def _table(rows: Sequence[Cells]) -> list[str]:
    """A table without the columns that are empty throughout; nothing if there are no rows."""
    every = dict.fromkeys(heading for row in rows for heading in row)
    headings = [heading for heading in every if any(row.get(heading, shown(None)) != shown(None) for row in rows)]
    lines = [headings, ["---" if heading in WORDS else "---:" for heading in headings]]
    lines += [[row.get(heading, shown(None)) for heading in headings] for row in rows]
    return ["\n".join(f"| {' | '.join(line)} |" for line in lines)] if rows else []


def _plain(text: str) -> str:
    """Text that Markdown takes for what it is: a file of results may hold any."""
    return re.sub(r"([\\`*_\[\]<>|&~#$])", r"\\\1", one_line(text))


# --- As a page


def make_page(markdown: str, plots: Mapping[str, str]) -> str:
    """The Markdown as an HTML page that holds the SVG plots it names, with no script and nothing from elsewhere."""
    from markdown_it import MarkdownIt

    def image(renderer: Any, tokens: Sequence[Any], at: int, options: Any, env: Any) -> str:
        data = base64.b64encode(plots[tokens[at].attrs["src"]].encode()).decode()
        told = renderer.renderInlineAsText(tokens[at].children, options, env)
        return f'<img alt="{html.escape(told)}" src="data:image/svg+xml;base64,{data}">'

    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    reader.add_render_rule("image", image)
    # A table wider than a telephone is moved under the finger, not the page.
    reader.add_render_rule("table_open", lambda *_: '<div class="table" tabindex="0">\n<table>\n')
    reader.add_render_rule("table_close", lambda *_: "</table>\n</div>\n")
    return _PAGE.format(title=TITLE, style=_colours() + _STYLE, body=reader.render(markdown))


def _colours() -> str:
    light, dark = ("".join(f"--{name}:{pair[at]};" for name, pair in COLOURS.items()) for at in (0, 1))
    return f":root{{color-scheme:light dark;{light}}}\n@media (prefers-color-scheme:dark){{:root{{{dark}}}}}"


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
{body}</body>
</html>
"""

_STYLE = """
* { box-sizing: border-box; }
body {
  margin: 0 auto;
  max-width: 84rem;
  padding: clamp(1rem, 3vw, 2.5rem);
  background: var(--surface);
  color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif;
}
h1 { margin: 0 0 1rem; font: 500 clamp(1.6rem, 4vw, 2.4rem)/1.15 ui-serif, Georgia, serif; }
h2 { margin: 3rem 0 .5rem; padding-top: 1rem; border-top: 1px solid var(--line); font-size: 1.35rem; }
h3 { margin: 2rem 0 .5rem; font-size: 1.05rem; }
p:has(> img) { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); gap: 1.5rem; }
img { display: block; width: 100%; max-width: 44rem; height: auto; }
.table { margin: 1rem 0; overflow-x: auto; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .9rem .35rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { color: var(--soft); font-weight: 500; white-space: nowrap; }
td { min-width: 5rem; }
[style*=right] { white-space: nowrap; }
"""
