"""A fair race on one machine: the contenders take turns, each on its own stopwatch, before one referee."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from bench.machine import exactly, synchronise
from bench.race.task import Snapshot, Task
from core.arrays import Pixels
from core.errors import StyleTransferError
from core.image.writing import quantize
from core.network.weight_files import first_line

Referee = Callable[[Pixels], Mapping[str, float]]
"""From a picture (1, 3, H, W), RGB in [0, 1], to the weighted parts of the objective there."""

Clock = Callable[[], float]
"""Seconds since some moment."""


@dataclass(frozen=True)
class Point:
    """The delivered loss and its parts after so many evaluations and seconds of a contender's own work."""

    evaluations: int
    seconds: float
    loss: float
    parts: Mapping[str, float]


Tell = Callable[[str, Point], None]
"""Called with the name of a contender and what the referee just found."""


class Racer:
    """A contender on its way.

    Attributes: `seconds` its work has taken; `points`, what the referee found; `picture`, the last one it
    judged, (1, 3, H, W) in steps of 1/255; `finished`, whether the contender is at its end.
    """

    def __init__(self, name: str, work: Iterator[Snapshot], *, every: int, referee: Referee, clock: Clock) -> None:
        """Nothing begins yet. The first picture is judged, one every so many evaluations, and the last."""
        self.name, self.seconds, self.finished = name, 0.0, False
        self.points: list[Point] = []
        self.picture: Pixels | None = None
        self._work, self._every, self._referee, self._clock = work, every, referee, clock
        self._latest: Snapshot | None = None
        self._judged, self._due = True, 0

    def advance(self) -> Point | None:
        """Let it work until it has something to show, and judge that, off its stopwatch, if it is due.

        Raises:
            StyleTransferError: It failed, or its picture has no finite loss.
        """
        started = self._clock()
        try:
            snapshot = next(self._work, None)
        except Exception as error:
            raise self._failure(f"{type(error).__name__}: {first_line(error)}") from error
        seconds = self._clock() - started
        if snapshot is None:
            # What it did since its last picture led to none, so that picture keeps its time.
            self.finished = True
            return None if self._judged or self._latest is None else self._judge(self._latest)
        self.seconds += seconds
        self._latest, self._judged = snapshot, False
        return self._judge(snapshot) if snapshot.evaluations >= self._due else None

    def _judge(self, snapshot: Snapshot) -> Point:
        self.picture = quantize(snapshot.deliver())
        parts = dict(self._referee(self.picture))
        loss = math.fsum(parts.values())
        if not math.isfinite(loss):
            raise self._failure(f"its picture has a loss of {loss}")
        point = Point(snapshot.evaluations, self.seconds, loss, parts)
        self.points.append(point)
        self._judged, self._due = True, (snapshot.evaluations // self._every + 1) * self._every
        return point

    def _failure(self, what: str) -> StyleTransferError:
        used = self._latest.evaluations if self._latest else 0
        return StyleTransferError(
            f"{self.name} failed after {used} evaluations ({what}), so there is nothing to compare with: "
            "leave it out, or take other pictures"
        )


def race(racers: Sequence[Racer], tell: Tell) -> None:
    """Run all to their ends, always giving the next turn to the one whose stopwatch shows least.

    So whatever else slows the machine down meanwhile slows all of them down.

    Raises:
        StyleTransferError: One of them failed.
    """
    while running := [racer for racer in racers if not racer.finished]:
        racer = min(running, key=lambda racer: racer.seconds)
        point = racer.advance()
        if point:
            tell(racer.name, point)


def stopwatch(device: str) -> Clock:
    """A clock that first waits for what the device is still doing."""

    def read() -> float:
        synchronise(device)
        return time.perf_counter()

    return read


def make_referee(task: Task) -> Referee:
    """Judges by the objective in float32 on the whole picture, whatever the contenders compute with."""
    network = task.network()
    with exactly():
        objective = task.objective(network)

    def judge(pixels: Pixels) -> Mapping[str, float]:
        with torch.no_grad(), exactly():
            return {name: float(value) for name, value in objective.parts(task.tensor(pixels)).items()}

    return judge
