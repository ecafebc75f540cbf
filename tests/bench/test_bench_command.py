"""The command line of the benchmarks, run for real at the smallest size; no time is ever judged."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.machine import devices

ROOT = Path(__file__).parents[2]

BROKEN = """
import bench.suites.workloads as workloads
in_pytorch = workloads._in_pytorch

def broken(*arguments):
    call = in_pytorch(*arguments)
    return lambda: {tap: values * 1.1 for tap, values in call().items()}

workloads._in_pytorch = broken
"""


def bench(*arguments: str | Path, folder: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=os.environ | environment,
    )


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every suite at its smallest size."""
    path = tmp_path_factory.mktemp("bench") / "results.json"
    ran = bench("run", "--quick", "--device", "cpu", "-o", path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"{path}: " in ran.stdout
    return path


def figures(results: Path) -> list[dict[str, Any]]:
    return [benchmark["extra_info"] for benchmark in json.loads(results.read_text())["benchmarks"]]


def test_every_suite_has_results(results: Path) -> None:
    suites = {figure["suite"] for figure in figures(results)}
    assert suites == {"extractor", "objective", "optimiser", "transfer", "startup", "memory", "growth"}
    assert {"eager", "channels_last", "torchscript", "onnxruntime"} <= {
        figure["backend"] for figure in figures(results) if figure["suite"] == "extractor"
    }
    assert {"eager", "torchscript", "onnxruntime"} <= {
        figure["backend"] for figure in figures(results) if figure["suite"] == "objective"
    }


def test_every_result_says_what_it_is_of(results: Path) -> None:
    for benchmark in json.loads(results.read_text())["benchmarks"]:
        figure, median = benchmark["extra_info"], benchmark["stats"]["median"]
        assert figure["machine"]
        assert {"python", "torch", "numpy"} <= figure["versions"].keys()
        assert figure["peak_memory_bytes"] > 2**20
        if figure["suite"] == "startup":
            continue
        assert figure["evaluations_per_second"] == pytest.approx(figure["evaluations"] / median)
        pixels = figure["width"] * figure["height"]
        expected = figure["evaluations_per_second"] * pixels / 1e6
        assert figure["megapixel_evaluations_per_second"] == pytest.approx(expected)
        if figure["suite"] in ("extractor", "objective", "transfer", "growth"):
            rate = figure["flop"] * figure["evaluations_per_second"]
            assert figure["share_of_limit"] == pytest.approx(rate / figure["limit_flop_per_second"])


def test_the_report_is_written(results: Path, tmp_path: Path) -> None:
    ran = bench("report", results, "-o", tmp_path / "report")
    assert ran.returncode == 0, ran.stderr
    page = (tmp_path / "report" / "report.html").read_text()
    assert "onnxruntime" in page
    assert (tmp_path / "report" / "report.md").read_text().startswith("# ")


def test_a_run_has_not_become_slower_than_itself(results: Path) -> None:
    ran = bench("compare", results, results, "--fail-above", "1.10")
    assert ran.returncode == 0, ran.stdout + ran.stderr


def commands() -> list[str]:
    """Every command in the documentation and in the workflow, but those that measure: the fixture is one of them."""
    text = (ROOT / "docs" / "benchmarks.md").read_text() + (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    found = re.findall(r"^(?:      - run: )?python -m bench (.*)$", text, flags=re.MULTILINE)
    assert len(found) >= 9
    return [command for command in found if not command.startswith("run ")]


@pytest.fixture(scope="module")
def folder(results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the documented commands run one after the other: some need what others wrote."""
    folder = tmp_path_factory.mktemp("documented")
    for name in ("baseline.json", "base.json", "results.json", "new.json"):
        (folder / name).symlink_to(results)
    (folder / "examples").symlink_to(ROOT / "examples")
    return folder


@pytest.mark.parametrize("command", commands())
def test_the_documented_commands_work(command: str, folder: Path) -> None:
    small = ["--size", "40", "--evaluations", "2"] if command.startswith("peers") else []
    ran = bench(*shlex.split(command), *small, folder=folder)
    assert ran.returncode == 0, ran.stderr


def test_what_became_slower_is_named_and_fails(results: Path, tmp_path: Path) -> None:
    slower = json.loads(results.read_text())
    (chosen,) = (b for b in slower["benchmarks"] if b["name"] == "test_objective[cpu-224-onnxruntime]")
    chosen["stats"]["data"] = [1.5 * max(chosen["stats"]["data"])] * len(chosen["stats"]["data"])
    chosen["stats"]["median"] = chosen["stats"]["data"][0]
    (tmp_path / "slower.json").write_text(json.dumps(slower))
    ran = bench("compare", results, tmp_path / "slower.json")
    assert ran.returncode == 1
    assert ran.stderr.startswith("Error: 1 take more than 1.1 times the time or memory: ")
    assert "onnxruntime" in ran.stderr
    assert "eager" not in ran.stderr


def test_a_broken_backend_fails_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(BROKEN)
    output = tmp_path / "results.json"
    output.write_text("earlier results")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    options = "-p broken -k 'cpu and channels_last'"
    ran = bench("run", "--quick", "--suite", "extractor", "-o", output, PYTEST_ADDOPTS=options, PYTHONPATH=path)
    assert ran.returncode == 1
    assert "channels_last is wrong, so its speed means nothing" in ran.stdout
    assert ran.stderr.splitlines()[-1].startswith("Error: a benchmark failed")
    assert output.read_text() == "earlier results"
    assert {entry.name for entry in tmp_path.iterdir()} <= {"broken.py", "results.json", "__pycache__"}


def test_the_machine_is_described_with_its_limits() -> None:
    described = json.loads(bench("machine", "--json").stdout)
    assert [limit["device"] for limit in described["limits"]] == list(devices())
    ran = bench("machine")
    assert ran.returncode == 0
    assert described["cpu"] in ran.stdout
    assert "TFLOP/s" in ran.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["run", "-o", "."], 2, ". is a folder: name a file in it"),
        (["run", "--quick", "--full", "-o", "results.json"], 2, "--quick and --full were both given"),
        (["run", "--suite", "speed", "-o", "results.json"], 2, "there is no suite 'speed': expected one of"),
        (["compare", "missing.json", "missing.json"], 2, "missing.json"),
        (["report", "missing.json", "-o", "report"], 2, "missing.json"),
    ],
)
def test_what_cannot_work_is_said_in_one_sentence(
    arguments: list[str], status: int, sentence: str, tmp_path: Path
) -> None:
    ran = bench(*arguments, folder=tmp_path, PYTHONPATH=str(ROOT / "packages"))
    assert ran.returncode == status
    assert sentence in ran.stderr
    assert ran.stderr.startswith("Error: ")
    assert len(ran.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif("cuda" in devices(), reason="this machine has a CUDA device")
def test_a_device_that_is_not_here_is_said(tmp_path: Path) -> None:
    ran = bench("run", "--device", "cuda", "-o", tmp_path / "results.json")
    assert ran.returncode == 1
    assert ran.stderr.startswith("Error: this machine has no cuda device")
    assert list(tmp_path.iterdir()) == []
