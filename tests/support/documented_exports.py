"""Artifacts as the export commands in the documents write them."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from support.shared_files import shared_file

DEFAULT_OBJECTIVE = "python -m export objective --output objective.onnx"


def is_export(command: str) -> bool:
    """Return whether a documented command writes an artifact."""
    return command.startswith(("python -m export extractor", "python -m export objective"))


def documented_export(factory: pytest.TempPathFactory, command: str) -> Path:
    """Run an export command once per session, and return the artifact that it wrote: do not change the file."""
    command, _, output = re.split(r" (-o|--output) ", command)
    suffix = Path(output).suffix

    def write(path: Path) -> None:
        line = [sys.executable, *shlex.split(command)[1:], "--output", str(path)]
        ran = subprocess.run(line, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr

    return shared_file(factory, re.sub(r"\W+", "-", command) + suffix, write)


def output_of(command: str) -> str:
    """Return the name of the file that a documented export command writes."""
    return re.split(r" (?:-o|--output) ", command)[1]
