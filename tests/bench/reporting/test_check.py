"""The check that fails on confirmed regressions and on missing benchmarks."""

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.reporting.check import check_runs
from bench.reporting.compare import Comparison
from core.errors import UsageError
from support.bench_files import entry, run_file

STEADY, SLOW = [1.0, 1.01, 0.99], [2.0, 2.01, 1.99]
FIRST, SECOND = "test_objective[cpu-64-eager]", "test_objective[cpu-64-fused]"


def write_run(path: Path, eager: list[float] | None = None, fused: list[float] | None = None) -> Path:
    rounds = {"eager": eager, "fused": fused}
    entries = [entry("objective", backend, 64, data) for backend, data in rounds.items() if data]
    path.write_text(json.dumps(run_file(*entries)))
    return path


def copy_command(source: Path) -> str:
    """Return a command that takes `--output PATH` and copies `source` there."""
    code = "import shutil, sys; shutil.copy(sys.argv[1], sys.argv[3])"
    return shlex.join([sys.executable, "-c", code, str(source)])


def check(base: Path, new: Path, **options: Any) -> tuple[str | None, list[Comparison]]:
    comparisons: list[Comparison] = []
    defaults: dict[str, Any] = {"allow_removed": (), "confirm_commands": (None, None)}
    failure = check_runs(base, new, fail_above=1.1, by="time", on_comparison=comparisons.append, **defaults | options)
    return failure, comparisons


def test_check_runs_accepts_equal_runs_without_a_second_run(tmp_path: Path) -> None:
    base = write_run(tmp_path / "base.json", STEADY, STEADY)
    failure, comparisons = check(base, base, confirm_commands=("not-run", "not-run"))
    assert failure is None
    assert len(comparisons) == 1


def test_check_runs_fails_on_a_regression(tmp_path: Path) -> None:
    base, new = write_run(tmp_path / "base.json", STEADY, STEADY), write_run(tmp_path / "new.json", STEADY, SLOW)
    failure, _ = check(base, new)
    assert failure == f"benchmarks above 1.1 times the time or memory (1): {SECOND}"


@pytest.mark.parametrize(("again", "fails"), [(STEADY, False), (SLOW, True)])
def test_check_runs_fails_only_if_the_regression_shows_again(tmp_path: Path, again: list[float], fails: bool) -> None:
    base, new = write_run(tmp_path / "base.json", STEADY, STEADY), write_run(tmp_path / "new.json", SLOW, STEADY)
    commands = tuple(
        copy_command(write_run(tmp_path / f"{side}-again.json", rounds))
        for side, rounds in (("base", STEADY), ("new", again))
    )
    failure, comparisons = check(base, new, confirm_commands=commands)
    assert [comparison.regressions for comparison in comparisons] == [(FIRST,), (FIRST,) if fails else ()]
    assert (failure is not None) == fails


def test_check_runs_ignores_a_new_regression_of_the_second_run(tmp_path: Path) -> None:
    base, new = write_run(tmp_path / "base.json", STEADY, STEADY), write_run(tmp_path / "new.json", SLOW, STEADY)
    commands = copy_command(base), copy_command(write_run(tmp_path / "again.json", STEADY, SLOW))
    failure, comparisons = check(base, new, confirm_commands=commands)
    assert comparisons[1].regressions == (SECOND,)
    assert failure is None


@pytest.mark.parametrize(("allowed", "fails"), [((), True), ((FIRST,), True), ((SECOND,), False), (("all",), False)])
def test_check_runs_fails_on_a_missing_benchmark_unless_allowed(
    tmp_path: Path, allowed: tuple[str, ...], fails: bool
) -> None:
    base, new = write_run(tmp_path / "base.json", STEADY, STEADY), write_run(tmp_path / "new.json", STEADY)
    failure, _ = check(base, new, allow_removed=allowed)
    expected = f"benchmarks missing from {new} (1): {SECOND}, where --allow-removed NAME would allow it"
    assert failure == (expected if fails else None)


def test_check_runs_reports_regressions_and_missing_benchmarks_together(tmp_path: Path) -> None:
    base, new = write_run(tmp_path / "base.json", STEADY, STEADY), write_run(tmp_path / "new.json", SLOW)
    failure, _ = check(base, new)
    assert failure is not None
    assert f"(1): {FIRST}; benchmarks missing" in failure


@pytest.mark.parametrize("commands", [("a", None), (None, "b")])
def test_check_runs_refuses_a_single_confirmation_command(tmp_path: Path, commands: tuple[str | None, ...]) -> None:
    base = write_run(tmp_path / "base.json", STEADY)
    with pytest.raises(UsageError, match="give both or neither"):
        check(base, base, confirm_commands=commands)
