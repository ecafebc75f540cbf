"""Stand-ins for the clock and the transfers of a job queue."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from PIL import Image

from core.runs.progress import Callback, Progress, Result

RESULT = cast("Result", object())
"""What a task of `fake_task` returns."""


class FakeClock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


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
