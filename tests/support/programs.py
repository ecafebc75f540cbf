"""The command lines of the toolkit and their commands."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from typer import Typer
from typer.main import get_command

PROGRAMS = {"core.transfer": "core.transfer", "core.batch": "core.batch", "core.app": "core.app"} | {
    name: f"{name}.__main__" for name in ("export", "bench")
}
"""Modules of the programs by the names that follow `python -m`."""


def program(name: str) -> Typer:
    """The program of this name."""
    app: Typer = import_module(PROGRAMS[name]).app
    return app


def commands_of_programs() -> Iterator[tuple[str, list[str], Any]]:
    """The name of the program, the arguments that select the command, and the command, for each command."""
    for name in PROGRAMS:
        command = get_command(program(name))
        yield name, [], command
        for inner, subcommand in getattr(command, "commands", {}).items():
            yield name, [inner], subcommand
