"""The job queue, with tasks that only report steps."""

import gc
import threading
import time
import weakref

import pytest

from core.errors import StyleTransferError, UsageError
from core.runs.progress import Callback, Result, RunFailedError
from core.webapp.job_queue import MAX_WAITING, PREVIEW_INTERVAL, VISITOR_TIMEOUT, JobQueue
from support.webapp import RESULT, FakeClock, fake_task


def test_jobs_run_in_the_order_of_submission() -> None:
    queue, seen = JobQueue(), []
    first, second, third = (queue.submit(fake_task()) for _ in range(3))
    assert [queue.poll(job) for job in (first, second, third)] == [0, 1, 2]
    second.task = fake_task(after_step=lambda _: seen.append((queue.poll(second), queue.poll(third), second.state)))
    for _ in range(3):
        queue.run_next()
    assert seen == [(0, 1, "running")] * 10
    assert all(job.state == "finished" and job.result is RESULT and job.task is None for job in (first, third))


def test_a_job_leaves_no_garbage() -> None:
    """Streamlit does not collect any, and a cycle of references could hold large arrays."""

    class Cycle:
        def __init__(self) -> None:
            self.itself = self

    def make_garbage(_: int) -> None:
        made.append(weakref.ref(Cycle()))

    queue, made = JobQueue(), list[weakref.ref[Cycle]]()
    queue.submit(fake_task(1, make_garbage))
    gc.disable()
    try:
        queue.run_next()
        assert [one() for one in made] == [None]
    finally:
        gc.enable()


def test_job_records_losses_and_previews() -> None:
    clock = FakeClock()
    queue, previewed = JobQueue(clock), []

    def after_step(step: int) -> None:
        assert job.preview is not None
        previewed.append(job.preview.evaluations)
        clock.now += 0.6 * PREVIEW_INTERVAL

    job = queue.submit(fake_task(5, after_step))
    queue.run_next()
    assert [step["evaluations"] for step in job.losses] == [1, 2, 3, 4, 5]
    assert previewed == [1, 1, 3, 3, 5]  # two steps take longer than the interval, one does not
    assert job.preview is not None
    assert (job.preview.seconds, job.preview.seconds_left, job.preview.fraction) == (3.0, 3.0, 0.5)


@pytest.mark.parametrize(("keep_result", "state", "result"), [(True, "finished", RESULT), (False, "cancelled", None)])
def test_stop_ends_a_running_job_after_its_step(keep_result: bool, state: str, result: Result | None) -> None:
    queue = JobQueue()
    job = queue.submit(fake_task(10, lambda step: step == 3 and queue.stop(job, keep_result=keep_result)))
    queue.run_next()
    assert len(job.losses) == 4
    assert (job.state, job.result, job.active) == (state, result, False)


def test_stop_cancels_a_waiting_job_and_ignores_an_ended_one() -> None:
    queue = JobQueue()
    first, second, third = (queue.submit(fake_task()) for _ in range(3))
    queue.stop(second, keep_result=True)
    assert (second.state, second.task, queue.poll(third)) == ("cancelled", None, 1)
    queue.run_next()
    queue.run_next()
    assert [job.state for job in (first, second, third)] == ["finished", "cancelled", "finished"]
    queue.stop(third, keep_result=False)
    assert third.state == "finished"


def test_waiting_job_of_a_disconnected_visitor_is_cancelled() -> None:
    clock = FakeClock()
    queue = JobQueue(clock)
    abandoned, polled = queue.submit(fake_task()), queue.submit(fake_task())
    clock.now = VISITOR_TIMEOUT + 1
    queue.poll(polled)
    queue.run_next()
    assert (abandoned.state, polled.state) == ("cancelled", "finished")


def test_running_job_of_a_disconnected_visitor_stops() -> None:
    clock = FakeClock()
    queue = JobQueue(clock)

    def after_step(step: int) -> None:
        clock.now += VISITOR_TIMEOUT / 3

    job = queue.submit(fake_task(10, after_step))
    queue.run_next()
    assert (job.state, len(job.losses)) == ("finished", 5)


def test_failed_jobs_store_a_message_and_the_next_job_runs(caplog: pytest.LogCaptureFixture) -> None:
    def refused(callback: Callback) -> Result:
        raise UsageError("the size is 1: expected more")

    def broken(callback: Callback) -> Result:
        raise ZeroDivisionError("secret")

    queue = JobQueue()
    jobs = [queue.submit(task) for task in (refused, broken, fake_task())]
    for _ in jobs:
        queue.run_next()
    assert [job.state for job in jobs] == ["failed", "failed", "finished"]
    assert [job.error for job in jobs] == ["the size is 1: expected more", "internal error; see the server log", ""]
    assert "ZeroDivisionError: secret" in caplog.text


def test_full_queue_rejects_jobs_until_a_visitor_leaves() -> None:
    clock = FakeClock()
    queue = JobQueue(clock)
    waiting = [queue.submit(fake_task()) for _ in range(MAX_WAITING)]
    with pytest.raises(StyleTransferError, match="the queue is full"):
        queue.submit(fake_task())
    clock.now = VISITOR_TIMEOUT + 1
    assert queue.poll(queue.submit(fake_task())) == 0
    assert {job.state for job in waiting} == {"cancelled"}


def test_start_runs_jobs_in_a_thread() -> None:
    queue = JobQueue()
    queue.start()
    jobs = [queue.submit(fake_task()) for _ in range(3)]
    while any(job.active for job in jobs):
        time.sleep(0.01)
    assert [job.result for job in jobs] == [RESULT] * 3


def test_close_stops_the_running_job_and_cancels_the_waiting_ones() -> None:
    queue, running = JobQueue(), threading.Event()
    queue.start()
    endless = queue.submit(fake_task(10**9, lambda step: running.set()))
    waiting = queue.submit(fake_task())
    running.wait()
    queue.close()
    assert (endless.state, endless.result, waiting.state) == ("finished", RESULT, "cancelled")


def test_job_that_fails_after_its_first_step_has_the_best_image_and_the_error() -> None:
    queue = JobQueue()

    def fail(callback: Callback) -> Result:
        raise RunFailedError(StyleTransferError("out of memory"), RESULT)

    job = queue.submit(fail)
    queue.run_next()
    assert (job.state, job.result, job.error) == ("finished", RESULT, "out of memory")
