"""Stand-ins for the clock and the transfers of a job queue, and for the speed of the machine."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from PIL import Image

from core.runs.progress import Callback, Progress, Result
from core.webapp.durations import MachineSpeed

RESULT = cast("Result", object())
"""What a task of `fake_task` returns."""


class FakeClock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class FakeSpeed(MachineSpeed):
    """A measured speed in seconds per pixel and evaluation; None while it is measured."""

    def __init__(self, seconds_per_pixel: float | None) -> None:
        self.known = seconds_per_pixel

    @property
    def measuring(self) -> bool:
        return self.known is None

    def seconds_per_pixel(self) -> float | None:
        return self.known


class FakeRun:
    """A run at one scale whose evaluations take `seconds_per_pixel`; the first takes 10 of them, the second 2."""

    def __init__(self, side: int, evaluations: int, seconds_per_pixel: float) -> None:
        evaluation = seconds_per_pixel * side**2
        self.size = (side, side)
        self.record = {"stopped": False}
        ends = (10, *range(12, evaluations + 11))
        self.losses = [{"evaluations": number, "seconds": end * evaluation} for number, end in enumerate(ends, start=1)]

    @property
    def image(self) -> "FakeRun":
        return self


@dataclass
class FakeProgress:
    """The attributes of `Progress` that a job queue reads."""

    evaluations: int
    seconds: float = 3.0
    total_evaluations: int = 10
    image: Image.Image = field(default_factory=lambda: Image.new("RGB", (8, 8)))

    @property
    def fraction(self) -> float:
        return self.evaluations / self.total_evaluations

    def losses(self) -> dict[str, Any]:
        return {"evaluations": self.evaluations, "loss": 1 / self.evaluations}


def fake_task(steps: int = 10, after_step: Callable[[int], object] = lambda step: None) -> Callable[[Callback], Result]:
    """A task that reports `steps` steps, calls `after_step` with the number of each, and returns `RESULT`."""

    def task(callback: Callback) -> Result:
        for step in range(1, steps + 1):
            stopped = callback(cast("Progress", FakeProgress(step)))
            after_step(step)
            if stopped:
                break
        return RESULT

    return task
