"""How long transfers take on this machine, estimated from a short measurement of its speed."""

import math
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from core.arrays import Size
from core.config.transfer_config import TransferConfig
from core.errors import StyleTransferError
from core.multiscale.schedule import build_schedule
from core.runs.progress import Callback, Result
from core.style_transfer import stylize
from core.webapp.job_queue import Job, JobQueue

MEASURED = TransferConfig(optimizer="adam", iterations=5, scales=1, padding=0)
"""The measured run. Each step of Adam takes one evaluation; one of L-BFGS may take several."""
MEASURED_SIDES = (128, 256, 512, 1024)
"""Sides of the square images of the measurement in pixels, which ends at the first that takes long enough."""
LONG_ENOUGH = 0.1
"""Seconds of an evaluation from which its time is proportional to its pixels, on GPUs too."""
SPEED_OPTIONS = (
    "content_layers", "style_layers", "style_loss", "arch", "device", "precision", "max_memory", "tile_size"
)  # fmt: skip
"""Options that decide how long an evaluation takes. With other values than those of `MEASURED` nothing is known."""


class MachineSpeed:
    """The speed of this machine, measured once as a job of the queue, so that no transfer disturbs the measurement."""

    def __init__(self, queue: JobQueue) -> None:
        self._queue = queue
        self._lock = threading.Lock()
        self._job: Job | None = None

    @property
    def measuring(self) -> bool:
        """Whether the measurement waits or runs."""
        return self._job is not None and self._job.active

    def start_measurement(self) -> None:
        """Start the measurement, unless an earlier call has started it. While the queue is full nothing happens."""
        with self._lock:
            if self._job is None or self._job.state == "cancelled":
                with suppress(StyleTransferError):
                    self._job = self._queue.submit(measure)

    def seconds_per_pixel(self) -> float | None:
        """Return the time of an evaluation per pixel; None before the end of the measurement, or if it failed."""
        if self._job is None:
            return None
        self._queue.poll(self._job)
        return None if self._job.result is None else seconds_per_pixel(self._job.result)


@dataclass(frozen=True)
class DurationEstimate:
    """Estimates the duration of transfers for images of these sizes (width and height in pixels)."""

    speed: MachineSpeed
    content: Size
    styles: Sequence[Size]

    def seconds(self, config: TransferConfig) -> float | None:
        """Return about how long a run with this configuration takes, None if that is not known.

        Raises:
            UsageError: The image size or the style scale does not fit these images.
        """
        schedule = build_schedule(self.content, self.styles or [self.content], config)
        if any(getattr(config, name) != getattr(MEASURED, name) for name in SPEED_OPTIONS):
            return None
        speed = self.speed.seconds_per_pixel()
        if speed is None:
            return None
        return speed * sum(scale.evaluations * math.prod(scale.network_sizes[0]) for scale in schedule)


def measure(callback: Callback) -> Result:
    """Run a short transfer of noise; return the result at the first of `MEASURED_SIDES` that takes long enough.

    Raises:
        StyleTransferError: The callback stopped the run.
    """
    noise = np.random.default_rng(0)
    for side in MEASURED_SIDES:
        content, style = noise.random((2, side, side, 3), np.float32)
        result = stylize(content, style, MEASURED.with_options(image_size=side), callback=callback)
        if result.record["stopped"]:
            raise StyleTransferError("the measurement was stopped")
        if seconds_per_pixel(result) * side**2 >= LONG_ENOUGH:
            break
    return result


def seconds_per_pixel(result: Result) -> float:
    """Return the time of an evaluation per pixel of a run at one scale.

    The first two steps do not count: the first includes preparations, and the second the preview of the first.
    """
    _, first, *_, last = result.losses
    seconds: float = (last["seconds"] - first["seconds"]) / (last["evaluations"] - first["evaluations"])
    return seconds / math.prod(result.image.size)


def duration_text(seconds: float) -> str:
    """Return a duration as rounded text.

    >>> duration_text(43.2).replace("\N{NO-BREAK SPACE}", " ")
    'about 45 s'
    """
    unit, length = ("s", 1) if seconds < 90 else ("min", 60) if seconds < 90 * 60 else ("h", 3600)
    step = 1 if seconds < 10 * length else 5
    return f"about\N{NO-BREAK SPACE}{max(1, step * round(seconds / length / step))}\N{NO-BREAK SPACE}{unit}"
