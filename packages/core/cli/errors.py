"""Exit statuses, and errors and warnings reported as one sentence on stderr."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer

from core.cli.terminal import print_line
from core.distributed import ReportedByOtherRank
from core.errors import StyleTransferError

EXIT_INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells expect it (128 + SIGINT)."""


@contextmanager
def report_errors() -> Iterator[None]:
    """Turn an expected error into one sentence on stderr and an exit status, and a warning into one sentence.

    Of several ranks only one prints an error: `core.distributed.process_group` raises `ReportedByOtherRank` in the
    others.

    Raises:
        typer.Exit: The block raised a `StyleTransferError` or `KeyboardInterrupt`.
    """
    with _printed_warnings():
        try:
            yield
        except ReportedByOtherRank as error:
            raise typer.Exit(error.exit_status) from error
        except StyleTransferError as error:
            exit_with_error(str(error), error.exit_status)
        except KeyboardInterrupt:
            exit_with_error("interrupted: nothing was written", EXIT_INTERRUPTED)


def warn(sentence: str) -> None:
    """Print a warning on stderr."""
    print_line(f"Warning: {sentence}", stderr=True)


def exit_with_error(sentence: str, status: int = 1) -> NoReturn:
    """Print the sentence on stderr and raise `typer.Exit` with the status."""
    print_line(f"Error: {sentence}", stderr=True)
    raise typer.Exit(status)


@contextmanager
def _printed_warnings() -> Iterator[None]:
    """Print what the toolkit logs as a warning."""
    logger, handler = logging.getLogger("core"), _WarningPrinter(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _WarningPrinter(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        warn(record.getMessage())
