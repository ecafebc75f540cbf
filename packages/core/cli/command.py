"""The classes of the command lines."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand

from core.cli.errors import report_errors
from core.cli.streams import tolerant_streams
from core.distributed import process_group
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
    """A program whose output, its help included, cannot end it: see `core.cli.streams`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(add_completion=False, pretty_exceptions_enable=False, **options)

    def command(self, name: str | None = None, **options: Any) -> Callable[[Function], Function]:
        """Return a decorator that adds a function as a `Command`."""
        return super().command(name, cls=Command, **options)

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Run the program on the arguments of the command line."""
        with tolerant_streams():
            return super().__call__(*args, **options)


class Command(TyperCommand):
    """A command that accepts former option names, and reports a wrong command line in one sentence.

    It runs only where one of the extras is installed. Its help lists flags without the type <bool> that Typer adds.
    """

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Parse the command line.

        Raises:
            typer.Exit: The command line is wrong; under torchrun only one rank has printed why.
        """
        try:
            return super().make_context(*args, **kwargs)
        except Exception as error:  # a Click error, which Typer's own copy of Click has under another name
            if not hasattr(error, "format_message"):
                raise
            with report_errors(), process_group():
                message = error.format_message().rstrip(".")
                raise UsageError(f"{message[:1].lower()}{message[1:]}: --help lists the options") from error

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments after replacing former option names; refuse an empty path, such as an unset variable.

        `Path` would take it for the current folder, which "." names.
        """
        rest: list[str] = super().parse_args(ctx, [_with_present_name(argument) for argument in args])
        if any(argument == "" or (argument.startswith("--") and argument.endswith("=")) for argument in args):
            for param in self.get_params(ctx):
                value = ctx.params.get(param.name)
                if Path() in (value if isinstance(value, list) else [value]) and value != param.default:
                    ctx.fail(f"{param.opts[0]} is an empty path, expected a file or a folder")
        return rest

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
