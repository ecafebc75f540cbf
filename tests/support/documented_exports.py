"""Artifacts as the export commands in the documents write them."""

import re
import shlex
import shutil
from contextlib import chdir
from pathlib import Path

import pytest

from support.export_command import run
from support.shared_files import shared_file

DEFAULT_OBJECTIVE = "python -m export objective --output objective.onnx"

_EXPORT = "python -m export "
_OUTPUT = re.compile(r" (?:-o|--output) (\S+)")


def is_export(command: str) -> bool:
    """Return whether a documented command writes an artifact."""
    return command.startswith(tuple(f"{_EXPORT}{kind}" for kind in ("extractor", "objective", "painter")))


def documented_export(factory: pytest.TempPathFactory, command: str) -> Path:
    """Run an export command once per session, and return the artifact that it wrote: do not change the file."""
    (output,) = _OUTPUT.findall(command)
    others = _OUTPUT.sub("", command)

    def write(folder: Path) -> None:
        folder.mkdir()
        arguments = shlex.split(others.removeprefix(_EXPORT))
        with chdir(folder):
            ran = run(*arguments, "--output", output)
        assert ran.exit_code == 0, ran.output

    name = re.sub(r"\W+", "-", f"{others} {Path(output).suffix}")
    return shared_file(factory, name, write) / output


def copy_documented_export(factory: pytest.TempPathFactory, command: str, folder: Path) -> None:
    """Copy into `folder` what an export command writes: the artifact and its checksum."""
    shutil.copytree(documented_export(factory, command).parent, folder, dirs_exist_ok=True)
