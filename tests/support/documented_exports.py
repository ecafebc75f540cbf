"""Artifacts as the export commands in the documents write them."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.shared_files import shared_file

DEFAULT_OBJECTIVE = "python -m export objective --output objective.onnx"

_OUTPUT = re.compile(r" (?:-o|--output) (\S+)")


def is_export(command: str) -> bool:
    """Return whether a documented command writes an artifact."""
    return command.startswith(tuple(f"python -m export {kind}" for kind in ("extractor", "objective", "painter")))


def documented_export(factory: pytest.TempPathFactory, command: str) -> Path:
    """Run an export command once per session, and return the artifact that it wrote: do not change the file."""
    (output,) = _OUTPUT.findall(command)
    others = _OUTPUT.sub("", command)

    def write(folder: Path) -> None:
        folder.mkdir()
        line = [sys.executable, *shlex.split(others)[1:], "--output", output]
        ran = subprocess.run(line, capture_output=True, text=True, check=False, cwd=folder)
        assert ran.returncode == 0, ran.stderr

    name = re.sub(r"\W+", "-", f"{others} {Path(output).suffix}")
    return shared_file(factory, name, write) / output


def copy_documented_export(factory: pytest.TempPathFactory, command: str, folder: Path) -> None:
    """Copy into `folder` what an export command writes: the artifact and its checksum."""
    shutil.copytree(documented_export(factory, command).parent, folder, dirs_exist_ok=True)
