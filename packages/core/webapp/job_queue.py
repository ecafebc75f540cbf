"""Queue of style transfers: one thread runs one job at a time.

If the visitor disconnects, a waiting job is cancelled and a running one ends early.
"""

import atexit
import gc
import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import PIL.Image

from core.errors import StyleTransferError
from core.runs.progress import Callback, Progress, Result, RunFailedError

VISITOR_TIMEOUT = 300.0
"""Seconds without a poll after which a visitor counts as disconnected. Hidden browser tabs poll once a minute."""
PREVIEW_INTERVAL = 0.7
"""Seconds between two previews. Each one costs time, as the image is copied out of the optimisation."""
CLOSING_TIMEOUT = 10.0
"""Seconds that the end of the program waits for the running job."""
MAX_WAITING = 20
"""Limit on the number of waiting jobs."""

State = Literal["waiting", "running", "finished", "failed", "cancelled"]
Task = Callable[[Callback], Result]
"""Runs a transfer and calls the callback after every step; returns the result so far once the callback returns True."""


@dataclass(frozen=True)
class Preview:
    """An intermediate image of a running job and its progress.

    `seconds` is the elapsed time, `seconds_left` an estimate, `fraction` the completed share of the work in (0, 1].
    """

    image: PIL.Image.Image
    evaluations: int
    total_evaluations: int
    seconds: float
    seconds_left: float
    fraction: float


@dataclass(eq=False)
class Job:
    """One entry of the job queue, from its submission to its result or error message.

    A job whose run fails after its first step is finished with the best image so far, and an error message.
    `last_poll` and `last_preview` are times of the queue's clock in seconds. `losses` has one entry per step.
    """

    task: Task | None
    last_poll: float
    state: State = "waiting"
    preview: Preview | None = None
    last_preview: float = -math.inf
    losses: list[dict[str, Any]] = field(default_factory=list)
    result: Result | None = None
    error: str = ""
    stop_request: Literal["keep", "discard"] | None = None

    @property
    def active(self) -> bool:
        """Whether the job waits or runs."""
        return self.state in ("waiting", "running")


class JobQueue:
    """First-in first-out queue: any thread may submit jobs, one thread calls `run_next`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._waiting: list[Job] = []
        self._running: Job | None = None
        self._closing = False

    def start(self) -> None:
        """Run jobs in a daemon thread until the program ends."""

        def run_forever() -> None:
            while True:
                self.run_next()

        threading.Thread(target=run_forever, name="job-queue", daemon=True).start()
        atexit.register(self.close)

    def close(self) -> None:
        """Cancel the waiting jobs, stop the running one after its current step, and wait for it, but not for long.

        The end of the program would otherwise interrupt PyTorch in the other thread, which aborts the process.
        """
        with self._changed:
            self._closing = True
            for job in self._waiting:
                _end(job, "cancelled")
            self._waiting.clear()
            self._changed.wait_for(lambda: self._running is None, CLOSING_TIMEOUT)

    def submit(self, task: Task) -> Job:
        """Append a job to the queue.

        Raises:
            StyleTransferError: The queue is full.
        """
        with self._changed:
            self._cancel_abandoned()
            if len(self._waiting) >= MAX_WAITING:
                raise StyleTransferError(f"the queue is full ({MAX_WAITING} transfers are waiting): try again later")
            job = Job(task, self._clock())
            self._waiting.append(job)
            self._changed.notify()
        return job

    def poll(self, job: Job) -> int:
        """Return the number of jobs ahead of this one, and record that its visitor is connected."""
        with self._changed:
            job.last_poll = self._clock()
            if job not in self._waiting:
                return 0
            return self._waiting.index(job) + (self._running is not None)

    def stop(self, job: Job, *, keep_result: bool) -> None:
        """Cancel a waiting job; stop a running one after its current step and keep or discard its result."""
        with self._changed:
            if job in self._waiting:
                self._waiting.remove(job)
                _end(job, "cancelled")
            elif job.state == "running":
                job.stop_request = "keep" if keep_result else "discard"

    def run_next(self) -> None:
        """Wait for a job and run it."""
        with self._changed:
            self._cancel_abandoned()
            while not self._waiting:
                self._changed.wait()
                self._cancel_abandoned()
            job = self._running = self._waiting.pop(0)
            job.state = "running"
        try:
            self._run(job)
        finally:
            with self._changed:
                self._running = None
                self._changed.notify_all()
            gc.collect()

    def _run(self, job: Job) -> None:
        assert job.task is not None, "only ended jobs have no task"
        try:
            job.result = job.task(lambda progress: self._after_step(job, progress))
            _end(job, "cancelled" if job.stop_request == "discard" else "finished")
        except RunFailedError as error:
            logging.getLogger(__name__).warning("a run failed", exc_info=error)
            job.error, job.result = str(error), error.result
            _end(job, "cancelled" if job.stop_request == "discard" else "finished")
        except StyleTransferError as error:
            job.error = str(error)
            _end(job, "failed")
        except Exception:  # a bug in one job must not end the thread that runs all jobs
            logging.getLogger(__name__).exception("internal error in a job")
            job.error = "internal error; see the server log"
            _end(job, "failed")

    def _after_step(self, job: Job, progress: Progress) -> bool:
        """Record the progress of a job; return whether it must stop."""
        job.losses.append(progress.losses())
        now = self._clock()
        if now - job.last_preview >= PREVIEW_INTERVAL:
            job.last_preview = now
            job.preview = _preview(progress)
        return job.stop_request is not None or self._closing or self._is_abandoned(job)

    def _is_abandoned(self, job: Job) -> bool:
        return self._clock() - job.last_poll > VISITOR_TIMEOUT

    def _cancel_abandoned(self) -> None:
        for job in [job for job in self._waiting if self._is_abandoned(job)]:
            self._waiting.remove(job)
            _end(job, "cancelled")


def _preview(progress: Progress) -> Preview:
    return Preview(
        image=progress.image,
        evaluations=progress.evaluations,
        total_evaluations=progress.total_evaluations,
        seconds=progress.seconds,
        seconds_left=progress.seconds * (1 - progress.fraction) / progress.fraction,
        fraction=progress.fraction,
    )


def _end(job: Job, state: State) -> None:
    if state == "cancelled":
        job.result = None
    job.task = None  # releases the image files that the task refers to
    job.state = state
