"""Take the steps of a run, and keep the best image if the run ends early."""

import traceback
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from core.distributed import ProcessGroup
from core.errors import NonEssential
from core.memory.out_of_memory import convert_out_of_memory_errors
from core.runs.checkpoint import Checkpoint
from core.runs.progress import Callback, Progress, Result, RunFailedError, RunInterrupted, ScaleProgress


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        progress: The progress after the last step.
        delivered: The loss and its terms at the image as its file stores it; if the run failed, those of its last step.
        stopped: Whether the run ended early.
        failure: The error or the interrupt that ended it.
    """

    progress: Progress
    delivered: Mapping[str, float]
    stopped: bool
    failure: Exception | KeyboardInterrupt | None = None

    def result_or_raise(self, result: Result) -> Result:
        """Return `result`, or raise the failure with it.

        Raises:
            RunFailedError: There was an error.
            RunInterrupted: `KeyboardInterrupt` was raised.
        """
        if isinstance(self.failure, KeyboardInterrupt):
            raise RunInterrupted(result) from self.failure
        if self.failure:
            raise RunFailedError(self.failure, result) from self.failure
        return result


def take_steps(
    steps: Generator[Progress],
    losses: list[dict[str, Any]],
    bit_depth: int,
    *,
    callback: Callback | None,
    checkpoint: Checkpoint | None,
    group: ProcessGroup,
) -> Outcome:
    """Take all steps, or those until the callback of any rank returns True; return how the run ended.

    Args:
        steps: The steps, each with its best image. They are closed before the result is evaluated, and after an error.
        losses: The list to which the losses of every step are appended.
        bit_depth: Bits per channel of the file for which the loss of the result is evaluated.
        callback: Called after every step.
        checkpoint: Offered every step by the main process, and written at its interval. If that fails, the run
            continues.
        group: The ranks that share the run.

    Raises:
        Exception: Any error before the end of the first step; an interrupt likewise. Later ones are part of the
            outcome.
    """
    stopped, saving = False, NonEssential("the checkpoint")
    progress: Progress | None = None
    try:
        with convert_out_of_memory_errors():
            with closing(steps):
                for progress in steps:
                    losses.append(progress.losses())
                    stopped = group.any_rank(bool(callback and callback(progress)))
                    if checkpoint and group.is_main and isinstance(progress, ScaleProgress):
                        with saving:
                            checkpoint.save(progress, losses, now=stopped)
                    if stopped:
                        break
            assert progress is not None, "every scale has at least one step"
            return Outcome(progress, progress.delivered_loss(bit_depth), stopped)
    except (Exception, KeyboardInterrupt) as error:
        if progress is None:
            raise
        _release_frames(error)
        return Outcome(progress, {"loss": progress.loss, **progress.parts}, stopped=True, failure=error)


def _release_frames(error: BaseException) -> None:
    """Release the tensors to which the tracebacks of an error and of the errors before it refer."""
    cause: BaseException | None = error
    while cause:
        traceback.clear_frames(cause.__traceback__)
        cause = cause.__context__
