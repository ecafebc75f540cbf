"""Result files: every field is read, and damaged files are refused with the field."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bench.results import BenchmarkRun, QualityRun, TimeToQualityRun, load, load_benchmarks, save
from core.errors import UsageError
from support.bench_files import PICTURES, QUALITY, RUN, changed, entry, load_values, run_file

RECORDED = sorted((Path(__file__).parents[2] / "packages" / "bench" / "recorded").glob("*.json"))
FIRST = ("benchmarks", 0, "extra_info")


def test_load_reads_a_benchmark_run_whatever_its_file_name(tmp_path: Path) -> None:
    run = load_values(tmp_path, RUN, "time-to-quality.txt")
    assert isinstance(run, BenchmarkRun)
    objective = next(benchmark for benchmark in run.benchmarks if benchmark.figures.suite == "objective")
    assert (objective.rounds, objective.median) == ((0.0123, 0.0101, 0.0267), 0.0123)
    assert (objective.figures.width, objective.megapixels) == (512, 0.262144)
    assert (objective.figures.limit_flop_per_second, objective.figures.peak_memory_bytes) == (1e12, 1_234_500_000)
    assert (run.benchmarks[-1].figures.width, run.benchmarks[-1].megapixels) == (None, None)
    assert (run.machine_name, run.versions["torch"], run.date.year) == ("A CPU, 2 cores", "2.15.0", 2026)
    assert run.file == str(tmp_path / "time-to-quality.txt")


def test_load_reads_a_time_to_quality_run_whatever_its_file_name(tmp_path: Path) -> None:
    run = load_values(tmp_path, QUALITY, "benchmarks")
    assert isinstance(run, TimeToQualityRun)
    assert run.programs[1].points[2].parts == {"content": 5.0, "style": 15.0}
    assert run.programs[3].skipped == "it is not installed"
    assert (run.speedups[0].speedup, run.speedups[1].speedup) == (1.5, None)
    assert (run.machine_name, run.versions, run.date.minute) == ("A GPU", {"torch": "2.11.0"}, 8)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.name)
def test_load_reads_the_recorded_files(path: Path) -> None:
    run = load(path)
    assert isinstance(run, TimeToQualityRun) == ("peers" in path.name)
    assert "2 cores, 2 threads" in run.machine_name


def test_there_are_recorded_files() -> None:
    assert RECORDED


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (changed(RUN, (*FIRST, "suite"), KeyError), "missing required field `suite` - at `$.benchmarks[0].extra_info`"),
        (changed(RUN, (*FIRST, "width"), 1.5), "Expected `int | null`, got `float` - at `$.benchmarks[0].extra_info.w"),
        (changed(RUN, (*FIRST, "peak_memory_bytes"), -1), "Expected `float` > 0.0 - at `$.benchmarks[0].extra_info.pe"),
        (changed(RUN, (*FIRST, "share_of_limit"), 0), "Expected `float` > 0.0 - at `$.benchmarks[0].extra_info.share_"),
        (changed(RUN, (*FIRST, "share_of_limit"), True), "got `bool` - at `$.benchmarks[0].extra_info.share_of_limit`"),
        (
            changed(RUN, (*FIRST, "versions", "torch"), 2),
            "Expected `str`, got `int` - at `$.benchmarks[0].extra_info.v",
        ),
        (changed(RUN, ("benchmarks", 1, "stats", "data"), []), "length >= 1 - at `$.benchmarks[1].stats.data`"),
        (changed(RUN, ("benchmarks", 1, "stats", "data"), KeyError), "field `data` - at `$.benchmarks[1].stats`"),
        (changed(RUN, ("benchmarks", 1, "stats", "data"), [1, 0]), "> 0.0 - at `$.benchmarks[1].stats.data[1]`"),
        (changed(RUN, ("benchmarks", 1), 5), "Expected `object`, got `int` - at `$.benchmarks[1]`"),
        (changed(RUN, ("benchmarks",), []), "length >= 1 - at `$.benchmarks`"),
        (changed(RUN, ("datetime",), "yesterday"), "datetime - at `$.datetime`"),
        (
            changed(QUALITY, ("programs", 0, "points", 1, "loss"), "low"),
            "got `str` - at `$.programs[0].points[1].loss`",
        ),
        (changed(QUALITY, ("machine",), "A GPU"), "Expected `object`, got `str` - at `$.machine`"),
        (changed(QUALITY, ("speedups", 0, "speedup"), True), "got `bool` - at `$.speedups[0].speedup`"),
        (changed(QUALITY, ("programs",), {}), "Expected `array`, got `object` - at `$.programs`"),
        (changed(PICTURES, ("programs", 0, "role"), "judge"), "Invalid enum value 'judge' - at `$.programs[0].role`"),
        (changed(PICTURES, ("pictures", 1, "measures", "dirt"), -1), ">= 0.0 - at `$.pictures[1].measures.dirt`"),
    ],
)
def test_load_names_the_file_and_the_field_that_is_damaged(
    tmp_path: Path, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        load_values(tmp_path, values)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'results.json'} is damaged: ")
    assert str(caught.value).endswith("; run the benchmark again")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b"[1]", b"3", b'{"kind": "other"}', b"[" * 100_000, b'{"benchmarks": [NaN]}'],
    ids=lambda content: content[:8],
)
def test_load_refuses_other_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path} is not a result file")


def test_load_names_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load(tmp_path / "none.json")
    assert str(caught.value) == (
        f"cannot read {tmp_path / 'none.json'}: No such file or directory; name a file that python -m bench wrote"
    )
    with pytest.raises(UsageError, match="is not a regular file but a folder"):
        load(tmp_path)


@pytest.mark.parametrize(
    "second", [entry("startup", "help", None, [1.0]), entry("startup", "import", None, [1.0], machine="another")]
)
def test_load_refuses_several_runs_in_one_file(tmp_path: Path, second: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="benchmarks are those of several runs"):
        load_values(tmp_path, run_file(entry("startup", "help", None, [0.5]), second))


def test_load_benchmarks_refuses_a_time_to_quality_run(tmp_path: Path) -> None:
    load_values(tmp_path, QUALITY)
    with pytest.raises(UsageError, match="holds a time-to-quality benchmark: expected a file that python -m bench run"):
        load_benchmarks(tmp_path / "results.json")
    load_values(tmp_path, RUN)
    assert len(load_benchmarks(tmp_path / "results.json").benchmarks) == len(RUN["benchmarks"])


def test_save_writes_what_load_reads(tmp_path: Path) -> None:
    run = load_values(tmp_path, QUALITY)
    assert isinstance(run, TimeToQualityRun)
    path = tmp_path / "saved.json"
    save(msgspec.structs.replace(run, file=""), path)
    assert "file" not in json.loads(path.read_text())
    assert msgspec.structs.replace(load(path), file=run.file) == run


def test_benchmark_key_ignores_where_the_test_is_defined(tmp_path: Path) -> None:
    moved = entry("objective", "eager", 64, [1.0]) | {"fullname": "elsewhere/test_x.py::test_objective[cpu-64-eager]"}
    moved["extra_info"]["suite"] = "another"
    keys = [
        load_benchmarks(_written(tmp_path, run_file(one))).benchmarks[0].key
        for one in (entry("objective", "eager", 64, [1.0]), moved)
    ]
    assert keys[0] == keys[1]


def _written(folder: Path, values: object) -> Path:
    path = folder / "results.json"
    path.write_text(json.dumps(values))
    return path


def test_load_reads_a_quality_run(tmp_path: Path) -> None:
    run = load_values(tmp_path, PICTURES)
    assert isinstance(run, QualityRun)
    assert [(it.name, it.role, it.config) for it in run.programs] == [
        ("[default]", "configuration", {"seed": 0}),
        ("painting", "control", None),
    ]
    assert (run.pictures[2].measures.structure, run.pictures[2].seconds, run.pictures[3].seconds) == (0.4, 15.0, None)
    assert (run.machine_name, run.versions, run.size) == ("A CPU", {"torch": "2.15.0"}, 512)
    path = tmp_path / "saved.json"
    save(msgspec.structs.replace(run, file=""), path)
    assert msgspec.structs.replace(load(path), file=run.file) == run
    with pytest.raises(UsageError, match="holds a quality benchmark: expected a file that python -m bench run wrote"):
        load_benchmarks(path)
