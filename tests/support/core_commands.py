"""The command lines `core.transfer` and `core.batch`, run in this process."""

from pathlib import Path

from typer import Typer
from typer.testing import CliRunner, Result

import core.batch
import core.transfer


def transfer(*arguments: object) -> Result:
    return _run(core.transfer.app, arguments)


def batch(*arguments: object) -> Result:
    return _run(core.batch.app, arguments)


def _run(app: Typer, arguments: tuple[object, ...]) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def files_in(folder: Path) -> list[str]:
    """The names of all files and folders below a folder."""
    return sorted(path.name for path in folder.rglob("*"))
