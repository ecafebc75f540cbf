"""Paintings in a queue: one is painted at a time, in one thread, for as long as its visitor is there."""

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import PIL.Image

from core.errors import StyleTransferError
from core.runs.progress import Callback, Progress, Result

PATIENCE = 300.0
"""Seconds without a look after which a visitor counts as gone. Browsers look once a minute from hidden tabs."""
PREVIEW_EVERY = 0.7
"""Seconds between two pictures on the way: taking one out of the computation costs time."""
MOST_WAITING = 20
"""Paintings that may wait."""

State = Literal["waiting", "painting", "finished", "failed", "cancelled"]
Work = Callable[[Callback], Result]
"""Paints, telling the callback after every step; ends early, with what it has, once that returns True."""


@dataclass(frozen=True)
class Snapshot:
    """A painting on its way; `left` is an estimate, in seconds like `seconds`."""

    image: PIL.Image.Image
    evaluations: int
    total_evaluations: int
    seconds: float
    left: float
    fraction: float


@dataclass(eq=False)
class Job:
    """One painting, from the queue to its result, or to the sentence that says why there is none."""

    work: Work | None
    seen: float
    state: State = "waiting"
    snapshot: Snapshot | None = None
    drawn: float = -math.inf
    losses: list[dict[str, Any]] = field(default_factory=list)
    result: Result | None = None
    sentence: str = ""
    wish: Literal["keep", "cancel"] | None = None

    @property
    def live(self) -> bool:
        """Whether anything can still come of it."""
        return self.state in ("waiting", "painting")


class JobQueue:
    """Takes jobs from any thread and paints them in the order they came, in the thread that calls `paint_next`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._waiting: list[Job] = []
        self._painting: Job | None = None

    def start(self) -> None:
        """Paint in a thread of its own, for as long as the program runs."""

        def paint_on() -> None:
            while True:
                self.paint_next()

        threading.Thread(target=paint_on, name="painter", daemon=True).start()

    def submit(self, work: Work) -> Job:
        """Add a painting at the end of the queue.

        Raises:
            StyleTransferError: Too many wait already.
        """
        with self._changed:
            self._forget_the_gone()
            if len(self._waiting) >= MOST_WAITING:
                raise StyleTransferError(f"{MOST_WAITING} paintings are waiting already: try again in a while")
            job = Job(work, self._clock())
            self._waiting.append(job)
            self._changed.notify()
        return job

    def look(self, job: Job) -> int:
        """How many paintings come before this one; the visitor who asks is still there."""
        with self._changed:
            job.seen = self._clock()
            if job not in self._waiting:
                return 0
            return self._waiting.index(job) + (self._painting is not None)

    def stop(self, job: Job, *, keep: bool) -> None:
        """End a painting after its present step, keeping what there is, or at once, keeping nothing."""
        with self._changed:
            if job in self._waiting:
                self._waiting.remove(job)
                _end(job, "cancelled")
            elif job.state == "painting":
                job.wish = "keep" if keep else "cancel"

    def paint_next(self) -> None:
        """Wait for a job, and paint it to its end."""
        with self._changed:
            self._forget_the_gone()
            while not self._waiting:
                self._changed.wait()
                self._forget_the_gone()
            job = self._painting = self._waiting.pop(0)
            job.state = "painting"
        try:
            self._paint(job)
        finally:
            with self._changed:
                self._painting = None

    def _paint(self, job: Job) -> None:
        assert job.work is not None, "only jobs that have ended give up their work"
        try:
            job.result = job.work(lambda progress: self._after_step(job, progress))
            _end(job, "cancelled" if job.wish == "cancel" else "finished")
        except StyleTransferError as error:
            job.sentence = str(error)
            _end(job, "failed")
        except Exception:  # whatever it was, the next visitor's painting must go on
            logging.getLogger(__name__).exception("a painting failed")
            job.sentence = "the painting failed for a reason that only the log of this page's server tells"
            _end(job, "failed")

    def _after_step(self, job: Job, progress: Progress) -> bool:
        job.losses.append(progress.losses())
        now = self._clock()
        if now - job.drawn >= PREVIEW_EVERY:
            job.drawn = now
            job.snapshot = _snapshot(progress)
        return job.wish is not None or self._gone(job)

    def _gone(self, job: Job) -> bool:
        return self._clock() - job.seen > PATIENCE

    def _forget_the_gone(self) -> None:
        for job in [job for job in self._waiting if self._gone(job)]:
            self._waiting.remove(job)
            _end(job, "cancelled")


def _snapshot(progress: Progress) -> Snapshot:
    return Snapshot(
        image=progress.image,
        evaluations=progress.evaluations,
        total_evaluations=progress.total_evaluations,
        seconds=progress.seconds,
        left=progress.seconds * (1 - progress.fraction) / progress.fraction,
        fraction=progress.fraction,
    )


def _end(job: Job, state: State) -> None:
    if state == "cancelled":
        job.result = None
    job.work = None  # and with it the pictures it held
    job.state = state
