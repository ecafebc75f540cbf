"""Interleaved runs of several programs, each with its own timer."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

from bench.machine import synchronize
from bench.time_to_quality.task import Snapshot
from core.errors import StyleTransferError, first_line
from core.image.writing import quantize

if TYPE_CHECKING:
    from core.arrays import Pixels

P = TypeVar("P")
"""What is known of a program at a moment of its run."""

Clock = Callable[[], float]
"""Returns seconds since a fixed moment."""

Evaluate = Callable[[int, float, "Pixels"], P]
"""Returns the point for evaluations, seconds, and the image (1, 3, H, W) in steps of 1/255."""

OnPoint = Callable[[str, P], None]
"""Receives the name of a program and each new point of its run."""


class TimedRun(Generic[P]):
    """The run of one program.

    Attributes:
        seconds: Time of the program's own work so far; that of `evaluate` is not counted.
        points: The points of the evaluated snapshots so far.
        image: The last evaluated image, (1, 3, H, W) in steps of 1/255.
        finished: Whether the program has ended.
    """

    def __init__(
        self, name: str, snapshots: Iterator[Snapshot], *, interval: int, evaluate: Evaluate[P], clock: Clock
    ) -> None:
        """Prepare a run. The first snapshot, one per `interval` evaluations, and the last one are evaluated."""
        self.name, self.seconds, self.finished = name, 0.0, False
        self.points: list[P] = []
        self.image: Pixels | None = None
        self._snapshots, self._interval, self._evaluate, self._clock = snapshots, interval, evaluate, clock
        self._pending: Snapshot | None = None
        self._evaluations = self._next_evaluation = 0

    def advance(self) -> P | None:
        """Run the program to its next snapshot, and return the point if the snapshot is evaluated.

        Raises:
            StyleTransferError: The program failed, or `evaluate` refuses its image.
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
            return self._evaluated(self._pending) if self._pending else None
        self.seconds += seconds
        self._pending, self._evaluations = snapshot, snapshot.evaluations
        return self._evaluated(snapshot) if snapshot.evaluations >= self._next_evaluation else None

    def _evaluated(self, snapshot: Snapshot) -> P:
        self.image = quantize(snapshot.deliver())
        try:
            point = self._evaluate(snapshot.evaluations, self.seconds, self.image)
        except StyleTransferError as error:
            raise self._failure(str(error)) from error
        self.points.append(point)
        self._pending = None
        self._next_evaluation = (snapshot.evaluations // self._interval + 1) * self._interval
        return point

    def _failure(self, cause: str) -> StyleTransferError:
        return StyleTransferError(
            f"{self.name} failed after {self._evaluations} evaluations ({cause}): leave it out, or use other images"
        )


def run_interleaved(runs: Sequence[TimedRun[P]], on_point: OnPoint[P]) -> None:
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
