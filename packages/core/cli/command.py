"""The classes of the command lines."""

import os
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand

from core.cli.errors import report_errors
from core.cli.terminal import escape_unencodable, plain
from core.distributed import SINGLE_PROCESS, ProcessGroup, process_group
from core.errors import UsageError
from core.installation import check_installed

Function = TypeVar("Function", bound=Callable[..., Any])

FORMER_NAMES = {
    "--content-image-path": "--content",  # this name, the next two, --epochs and --cuda are those of firekind
    "--style-image-path": "--style",
    "--save-path": "--output",
    "--film": "--video",
    "--film-fps": "--video-fps",
}
"""Former option names, which are still accepted but not listed in the help, and the present ones."""


class App(typer.Typer):
    """A program that prints what the encoding of the terminal lacks as escape sequences."""

    def __init__(self, **options: Any) -> None:
        super().__init__(add_completion=False, pretty_exceptions_enable=False, **options)

    def command(self, name: str | None = None, **options: Any) -> Callable[[Function], Function]:
        """Return a decorator that adds a function as a `Command`."""
        return super().command(name, cls=Command, **options)

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Run the program on the arguments of the command line."""
        escape_unencodable(sys.stdout, sys.stderr)
        return super().__call__(*args, **options)


class Command(TyperCommand):
    """A command that accepts former option names and, under torchrun, prints a usage error on one rank only.

    It runs only where one of the extras is installed. Its help lists flags without the type <bool> that Typer adds.
    """

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Parse the command line.

        Raises:
            typer.Exit: The command line is wrong and this is one of several ranks; one of them has printed why.
        """
        try:
            return super().make_context(*args, **kwargs)
        except Exception as error:  # a Click error, which Typer's own copy of Click has under another name
            if hasattr(error, "message"):
                error.message = plain(error.message)  # names that a pattern of the shell matched
            if ProcessGroup.of(os.environ) == SINGLE_PROCESS or not hasattr(error, "format_message"):
                raise
            with report_errors(), process_group():
                raise UsageError(error.format_message()) from error

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments after replacing former option names."""
        return super().parse_args(ctx, [_with_present_name(argument) for argument in args])

    def invoke(self, ctx: Any) -> Any:
        """Run the command.

        Raises:
            typer.Exit: Neither PyTorch nor ONNX Runtime is installed; the sentence is printed.
        """
        with report_errors():
            check_installed()
        return super().invoke(ctx)

    def get_params(self, ctx: Any) -> list[Any]:
        """Return all parameters, flags without a type."""
        params: list[Any] = super().get_params(ctx)
        for param in params:
            if getattr(param, "is_flag", False):
                param.metavar = ""
        return params


def _with_present_name(argument: str) -> str:
    name, equals, value = argument.partition("=")
    return FORMER_NAMES.get(name, name) + equals + value
