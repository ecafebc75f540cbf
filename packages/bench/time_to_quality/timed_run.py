"""Interleaved runs of several programs, each with its own timer."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from bench.machine import synchronize
from bench.results import Point
from bench.time_to_quality.evaluator import Evaluator
from bench.time_to_quality.task import Snapshot
from core.errors import StyleTransferError, first_line
from core.image.writing import quantize

if TYPE_CHECKING:
    from core.arrays import Pixels

Clock = Callable[[], float]
"""Returns seconds since a fixed moment."""

OnPoint = Callable[[str, Point], None]
"""Receives the name of a program and each new point of its run."""


class TimedRun:
    """The run of one program.

    Attributes:
        seconds: Time of the program's own work so far; the evaluator's time is not counted.
        points: Evaluated snapshots so far.
        image: The last evaluated image, (1, 3, H, W) in steps of 1/255.
        finished: Whether the program has ended.
    """

    def __init__(
        self, name: str, snapshots: Iterator[Snapshot], *, interval: int, evaluator: Evaluator, clock: Clock
    ) -> None:
        """Prepare a run. The first snapshot, one per `interval` evaluations, and the last one are evaluated."""
        self.name, self.seconds, self.finished = name, 0.0, False
        self.points: list[Point] = []
        self.image: Pixels | None = None
        self._snapshots, self._interval, self._evaluator, self._clock = snapshots, interval, evaluator, clock
        self._latest: Snapshot | None = None
        self._latest_evaluated, self._next_evaluation = True, 0

    def advance(self) -> Point | None:
        """Run the program to its next snapshot, and return the point if the snapshot is evaluated.

        Raises:
            StyleTransferError: The program failed, or its image has no finite loss.
        """
        started = self._clock()
        try:
            snapshot = next(self._snapshots, None)
        except Exception as error:
            raise self._failure(f"{type(error).__name__}: {first_line(error)}") from error
        seconds = self._clock() - started
        if snapshot is None:
            # The time since the last snapshot produced no image, so the last point keeps its time.
            self.finished = True
            return None if self._latest_evaluated or self._latest is None else self._evaluate(self._latest)
        self.seconds += seconds
        self._latest, self._latest_evaluated = snapshot, False
        return self._evaluate(snapshot) if snapshot.evaluations >= self._next_evaluation else None

    def _evaluate(self, snapshot: Snapshot) -> Point:
        self.image = quantize(snapshot.deliver())
        parts = dict(self._evaluator(self.image))
        loss = math.fsum(parts.values())
        if not math.isfinite(loss):
            raise self._failure(f"the loss of its image is {loss}")
        point = Point(snapshot.evaluations, self.seconds, loss, parts)
        self.points.append(point)
        self._latest_evaluated = True
        self._next_evaluation = (snapshot.evaluations // self._interval + 1) * self._interval
        return point

    def _failure(self, cause: str) -> StyleTransferError:
        used = self._latest.evaluations if self._latest else 0
        return StyleTransferError(
            f"{self.name} failed after {used} evaluations ({cause}): select other baselines or images"
        )


def run_interleaved(runs: Sequence[TimedRun], on_point: OnPoint) -> None:
    """Run all programs to their ends, always advancing the one with the least time on its timer.

    Any slowdown of the machine thus affects all programs.

    Raises:
        StyleTransferError: One of them failed.
    """
    while running := [run for run in runs if not run.finished]:
        run = min(running, key=lambda run: run.seconds)
        if point := run.advance():
            on_point(run.name, point)


def make_timer(device: str) -> Clock:
    """Return a clock that waits for the device before it reads the time."""

    def read() -> float:
        synchronize(device)
        return time.perf_counter()

    return read
