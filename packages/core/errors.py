"""The exceptions of the toolkit. Their message is one sentence: what is wrong, the value, and what to do."""


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
