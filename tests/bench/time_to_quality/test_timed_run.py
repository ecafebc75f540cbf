"""Timers and turns of interleaved runs, with a fake clock."""

import math
from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest

from bench.results import Point
from bench.time_to_quality.evaluator import loss_point
from bench.time_to_quality.task import Snapshot
from bench.time_to_quality.timed_run import TimedRun, run_interleaved
from core.arrays import Pixels
from core.errors import StyleTransferError


class FakeClock:
    """A clock that tests advance."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def make_run(
    name: str,
    clock: FakeClock,
    *,
    cost: float,
    steps: int,
    interval: int = 1,
    evaluator_cost: float = 0.0,
    turns: list[str] | None = None,
    style_loss: float = 1.0,
) -> TimedRun[Point]:
    """Return a run whose image after n evaluations is n/255 everywhere, with a content loss of n."""

    def snapshots() -> Iterator[Snapshot]:
        for evaluations in range(steps):
            clock.now += cost
            if turns is not None:
                turns.append(name)
            yield Snapshot(evaluations, partial(np.full, (1, 3, 2, 2), evaluations / 255, np.float32))

    def evaluator(pixels: Pixels) -> dict[str, float]:
        clock.now += evaluator_cost
        return {"content": round(float(pixels.mean()) * 255), "style": style_loss}

    return TimedRun(name, snapshots(), interval=interval, evaluate=partial(loss_point, evaluator), clock=clock)


def ignore(name: str, point: Point) -> None:
    """Discard a point."""


def test_timer_counts_the_program_and_not_the_evaluator() -> None:
    clock = FakeClock()
    run = make_run("slow", clock, cost=2.0, steps=4, evaluator_cost=100.0)
    run_interleaved([run], ignore)
    assert [point.seconds for point in run.points] == [2, 4, 6, 8]
    assert run.seconds == 8
    assert clock.now == 8 + 4 * 100


def test_first_last_and_one_snapshot_per_interval_are_evaluated() -> None:
    run = make_run("one", FakeClock(), cost=1.0, steps=9, interval=3)
    reported: list[tuple[str, Point]] = []
    run_interleaved([run], lambda name, point: reported.append((name, point)))
    assert [point.evaluations for point in run.points] == [0, 3, 6, 8]
    assert [point.loss for point in run.points] == [1, 4, 7, 9]
    assert [point.seconds for point in run.points] == [1, 4, 7, 9]
    assert reported == [("one", point) for point in run.points]
    assert run.image is not None
    np.testing.assert_allclose(run.image, 8 / 255)


def test_run_interleaved_advances_the_run_with_the_least_time() -> None:
    clock, turns = FakeClock(), []
    slow = make_run("slow", clock, cost=3.0, steps=3, turns=turns)
    quick = make_run("quick", clock, cost=1.0, steps=8, turns=turns)
    run_interleaved([slow, quick], ignore)
    # 3 against 1, 2, 3; at equal times the first run continues, so 6 against 4, 5, 6; then 9 and the rest.
    assert turns == ["slow", *["quick"] * 3, "slow", *["quick"] * 3, "slow", *["quick"] * 2]
    assert (slow.seconds, quick.seconds) == (9, 8)


def test_run_interleaved_names_a_program_that_fails() -> None:
    def snapshots() -> Iterator[Snapshot]:
        yield Snapshot(0, lambda: np.zeros((1, 3, 2, 2), np.float32))
        raise RuntimeError("no such operator\nand a page of explanation")

    evaluate = partial(loss_point, lambda pixels: {"content": 1.0})
    run = TimedRun("adam", snapshots(), interval=1, evaluate=evaluate, clock=FakeClock())
    with pytest.raises(
        StyleTransferError, match=r"^adam failed after 0 evaluations \(RuntimeError: no such operator\)"
    ):
        run_interleaved([run], ignore)


def test_a_loss_that_is_not_finite_is_a_failure() -> None:
    run = make_run("adam", FakeClock(), cost=1.0, steps=2, style_loss=math.nan)
    with pytest.raises(StyleTransferError, match=r"adam failed after 0 evaluations \(the loss of its image is nan\)"):
        run_interleaved([run], ignore)
