"""Taking the steps of a run: its outcome, however it ends."""

from collections.abc import Generator
from functools import partial
from typing import Any

import numpy as np
import pytest

from core.distributed import SINGLE_PROCESS
from core.memory.out_of_memory import OutOfMemoryError
from core.runs.outcome import Outcome, take_steps
from core.runs.progress import Callback, Progress, Result, RunFailedError, RunInterrupted

IMAGE = np.zeros((1, 3, 4, 6), np.float32)
RESULT = Result(IMAGE, None, {})


def steps(count: int, error: BaseException | None = None) -> Generator[Progress]:
    """Yield steps with losses that fall to 1; then raise `error`, if there is one."""
    for number in range(1, count + 1):
        yield Progress(
            scale=1,
            scales=1,
            size=(6, 4),
            evaluations=number,
            total_evaluations=count,
            loss=1.0 + count - number,
            parts={"content": 0.5},
            seconds=1.0,
            fraction=number / count,
            resumed=False,
            _get_pixels=lambda: IMAGE,
            _content_alpha=None,
        )
    if error:
        raise error


def outcome_of(run: Generator[Progress], losses: list[dict[str, Any]], callback: Callback | None = None) -> Outcome:
    return take_steps(run, losses, 8, callback=callback, checkpoint=None, group=SINGLE_PROCESS)


def test_a_complete_run_has_the_loss_of_every_step() -> None:
    losses: list[dict[str, Any]] = []
    outcome = outcome_of(steps(3), losses)
    assert [entry["loss"] for entry in losses] == [3, 2, 1]
    assert (outcome.progress.evaluations, outcome.stopped) == (3, False)
    assert outcome.delivered == {"loss": 1, "content": 0.5}
    assert outcome.result_or_raise(RESULT) is RESULT


def test_a_callback_that_returns_true_ends_the_run() -> None:
    losses = [{"loss": 9.0}]  # those of the run that this one resumes
    outcome = outcome_of(steps(5), losses, lambda progress: progress.evaluations == 2)
    assert (outcome.progress.evaluations, outcome.stopped, len(losses)) == (2, True, 3)
    assert outcome.result_or_raise(RESULT) is RESULT


def test_the_optimiser_ends_before_the_result_is_evaluated() -> None:
    events: list[str] = []

    def run() -> Generator[Progress]:
        try:
            yield from map(EvaluatedProgress, steps(3))
        finally:
            events.append("ended")

    class EvaluatedProgress:
        def __init__(self, progress: Progress) -> None:
            self.losses = progress.losses

        def delivered_loss(self, bit_depth: int) -> dict[str, float]:
            events.append(f"evaluated with {bit_depth} bits")
            return {"loss": 1.0}

    take_steps(run(), [], 16, callback=lambda _: True, checkpoint=None, group=SINGLE_PROCESS)
    assert events == ["ended", "evaluated with 16 bits"]


@pytest.mark.parametrize("error", [ValueError("boom"), KeyboardInterrupt()])
def test_the_optimiser_ends_when_the_callback_raises(error: BaseException) -> None:
    """Although the outcome holds the error, whose traceback leads to the loop over the steps."""
    ended: list[bool] = []

    def run() -> Generator[Progress]:
        try:
            yield from steps(3)
        finally:
            ended.append(True)

    def callback(progress: Progress) -> bool:
        raise error

    outcome = outcome_of(run(), [], callback)
    assert (outcome.failure, ended) == (error, [True])


@pytest.mark.parametrize(
    ("error", "raised"),
    [(ValueError("boom"), RunFailedError), (MemoryError(), RunFailedError), (KeyboardInterrupt(), RunInterrupted)],
)
def test_an_error_after_the_first_step_keeps_the_best_image(
    error: BaseException, raised: type[RunFailedError | RunInterrupted]
) -> None:
    outcome = outcome_of(steps(2, error), [])
    assert (outcome.progress.evaluations, outcome.stopped) == (2, True)
    assert outcome.delivered == {"loss": 1, "content": 0.5}
    with pytest.raises(raised) as caught:
        outcome.result_or_raise(RESULT)
    assert caught.value.result is RESULT
    assert isinstance(caught.value.__cause__, OutOfMemoryError if isinstance(error, MemoryError) else type(error))


@pytest.mark.parametrize("error", [ValueError("boom"), KeyboardInterrupt()])
def test_an_error_before_the_first_step_is_raised(error: BaseException) -> None:
    run = partial(outcome_of, steps(0, error), [])
    with pytest.raises(type(error)) as caught:
        run()
    assert caught.value is error
