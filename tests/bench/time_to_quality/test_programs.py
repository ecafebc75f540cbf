"""Every program starts when its first snapshot is requested, and yields the initial image first."""

import sys

import pytest

from bench.suites.cases import Unavailable
from bench.time_to_quality.programs import BASELINES, PROGRAMS, TOOLKIT
from bench.time_to_quality.task import Task

NEEDS_A_PACKAGE = "pastiche"


@pytest.mark.parametrize("name", [name for name in PROGRAMS if name != NEEDS_A_PACKAGE])
def test_the_first_snapshot_is_the_initial_image(name: str, task: Task) -> None:
    first = next(PROGRAMS[name].prepare(task))
    assert first.evaluations == (1 if name == TOOLKIT else 0)  # the toolkit has evaluated it
    assert first.deliver().shape == task.content.shape


def test_a_program_that_is_not_installed_is_unavailable(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pastiche.pastiche", None)
    with pytest.raises(Unavailable, match="pip install pastiche"):
        PROGRAMS[NEEDS_A_PACKAGE].prepare(task)


def test_the_toolkit_is_no_baseline() -> None:
    assert {*BASELINES, TOOLKIT} == {*PROGRAMS}
    assert TOOLKIT not in BASELINES
