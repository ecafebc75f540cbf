"""Turn errors into one sentence on stderr and an exit status."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from typer.core import TyperCommand

from core.distributed import SINGLE_PROCESS, ProcessGroup, ReportedByOtherRank, process_group
from core.errors import StyleTransferError, UsageError

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells expect it; the best picture so far is delivered all the same."""


class SharedCommand(TyperCommand):
    """A command that several processes run together: one of them says what is wrong with the options."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """What Click makes of the command line."""
        try:
            return super().make_context(*args, **kwargs)
        except Exception as error:  # Click's own, of which Typer has a copy under another name
            if ProcessGroup.of(os.environ) == SINGLE_PROCESS or not hasattr(error, "format_message"):
                raise
            with report_errors(), process_group():
                raise UsageError(error.format_message()) from error


@contextmanager
def report_errors() -> Iterator[None]:
    """Turn what went wrong into one sentence on stderr and the exit status that goes with it.

    Of several processes that paint together, one says it.
    """
    try:
        yield
    except ReportedByOtherRank as error:
        raise typer.Exit(error.exit_status) from error
    except StyleTransferError as error:
        exit_with_error(str(error), error.exit_status)
    except KeyboardInterrupt:
        exit_with_error("interrupted: nothing was written", INTERRUPTED)


def exit_with_error(sentence: str, status: int = 1) -> None:
    """Print the sentence on stderr and exit."""
    Console(stderr=True, soft_wrap=True, markup=False, highlight=False).print(f"Error: {sentence}")
    raise typer.Exit(status)
