"""The exceptions of the toolkit. Their message is one sentence: what is wrong, the value, and what to do."""

import logging
from types import TracebackType


class StyleTransferError(Exception):
    """A failure that the caller could not prevent, such as unavailable weights, a full disk or a missing device.

    The command lines print the message and exit with `exit_status`.
    """

    exit_status = 1


class UsageError(StyleTransferError, ValueError):
    """An invalid argument, such as a missing image, an unknown layer or a negative weight."""

    exit_status = 2


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, or its type: some messages of torch fill a page."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__


class NonEssential:
    """Context manager for a part of a run that its result does not depend on, such as saving a checkpoint.

    The first failure is logged as a warning; later ones are ignored. The run continues after either.
    """

    def __init__(self, name: str) -> None:
        """`name` is the part in the warning, such as "the checkpoint"."""
        self._name, self._failed = name, False

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        """Suppress any error but an interrupt."""
        if not isinstance(error, Exception):
            return False
        if not self._failed:
            logging.getLogger(__name__).warning("%s failed, the run continues: %s", self._name, first_line(error))
        self._failed = True
        return True
