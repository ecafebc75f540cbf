"""Regressions are confirmed by commands that run the same benchmarks again."""

import json
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.reporting.confirm import confirm_regressions
from core.errors import StyleTransferError, UsageError
from support.bench_files import entry, run_file

SCRIPT = """
import json, os, sys
from pathlib import Path

source, log, option, output = sys.argv[1:]
assert option == "--output"
Path(log).write_text(os.environ["PYTEST_ADDOPTS"])
Path(output).write_text(Path(source).read_text())
"""

Command = Callable[[str, list[float]], str]


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """Return a command that writes prepared results, and its selection of benchmarks to SIDE.log."""
    script = tmp_path / "run.py"
    script.write_text(SCRIPT)

    def make(side: str, rounds: list[float]) -> str:
        source = tmp_path / f"{side}.json"
        source.write_text(json.dumps(run_file(entry("objective", "eager", 64, rounds))))
        return shlex.join([sys.executable, str(script), str(source), str(tmp_path / f"{side}.log")])

    return make


def test_confirm_regressions_runs_the_named_benchmarks_on_both_sides(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:randomly")
    base, new = command("base", [1.0, 1.01, 0.99]), command("new", [2.0, 2.01, 1.99])
    names = ["test_objective[cpu-64-eager]", "test_step[cpu-64-lbfgs-torch]"]
    comparison = confirm_regressions(names, base, new, fail_above=1.1, by="time")
    assert comparison.regressions == ("test_objective[cpu-64-eager]",)
    expected = ["-p", "no:randomly", "-k", "test_objective[cpu-64-eager] or test_step[cpu-64-lbfgs-torch]"]
    assert [shlex.split((tmp_path / f"{side}.log").read_text()) for side in ("base", "new")] == [expected] * 2


def test_confirm_regressions_selects_exact_names_in_pytest(tmp_path: Path) -> None:
    (tmp_path / "test_names.py").write_text(
        "import pytest\n"
        "@pytest.mark.parametrize('name', ['cpu-224-lbfgs', 'cpu-224-lbfgs-torch', 'cpu-224-lbfgs-torch-2'])\n"
        "def test_step(name): pass\n"
    )
    source = tmp_path / "run.json"
    source.write_text(json.dumps(run_file(entry("objective", "eager", 64, [1.0]))))
    code = (
        "import pytest, shutil, sys\n"
        "assert pytest.main(['-q', '-p', 'no:cacheprovider', sys.argv[1], '--junit-xml', sys.argv[2]]) == 0\n"
        "shutil.copy(sys.argv[3], sys.argv[5])\n"
    )
    log = tmp_path / "junit.xml"
    command = shlex.join([sys.executable, "-c", code, str(tmp_path), str(log), str(source)])
    confirm_regressions(["test_step[cpu-224-lbfgs-torch]"], command, command, fail_above=1.1, by="time")
    assert re.findall(r'<testcase [^>]*name="([^"]*)"', log.read_text()) == ["test_step[cpu-224-lbfgs-torch]"]


def test_confirm_regressions_reports_a_command_that_fails(command: Command) -> None:
    failing = shlex.join([sys.executable, "-c", "raise SystemExit(3)"])
    with pytest.raises(StyleTransferError, match=r"^the confirmation command .* exited with status 3$"):
        confirm_regressions(["test_x"], failing, command("new", [1.0]), fail_above=1.1, by="time")


@pytest.mark.parametrize("missing", ["no-such-program run", "", "unbalanced 'quote"])
def test_confirm_regressions_reports_a_command_that_cannot_start(command: Command, missing: str) -> None:
    with pytest.raises(UsageError, match=r"^cannot run the confirmation command"):
        confirm_regressions(["test_x"], missing, command("new", [1.0]), fail_above=1.1, by="time")
