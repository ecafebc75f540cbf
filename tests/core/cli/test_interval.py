"""Intervals counted in evaluations, on sequences of steps."""

from dataclasses import dataclass

from core.cli.interval import EvaluationInterval


@dataclass
class FakeProgress:
    evaluations: int
    resumed: bool = False


def due(interval: EvaluationInterval, *evaluations: int) -> list[int]:
    return [number for number in evaluations if interval(FakeProgress(number))]


def test_interval_is_due_at_each_multiple() -> None:
    assert due(EvaluationInterval(3), *range(1, 10)) == [3, 6, 9]


def test_interval_is_due_once_for_a_step_of_several_evaluations() -> None:
    assert due(EvaluationInterval(3), 2, 7, 8, 9) == [7, 9]


def test_interval_skips_the_step_that_a_run_resumes_from() -> None:
    interval = EvaluationInterval(3)
    assert not interval(FakeProgress(6, resumed=True))
    assert due(interval, 7, 8, 9) == [9]


def test_doubled_interval_continues_from_the_last_evaluation() -> None:
    interval = EvaluationInterval(2)
    assert due(interval, 1, 2, 3, 4, 5) == [2, 4]
    assert due(interval.doubled(), 6, 7, 8, 12) == [8, 12]
