"""Output that cannot be written, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="only POSIX streams are tolerant")

PROGRAM = """
import os, sys
from pathlib import Path
from rich.console import Console
from core.cli.streams import tolerant_streams

with tolerant_streams():
    for number in range(20_000):
        print("line × number", number)
    Console(stderr=True).print("to standard error")
    with Path(sys.argv[1]).open("w") as file:
        file.write(str(file.fileno()))
"""


def run(output: Path, **streams: Any) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", PROGRAM, output], text=True, **streams)


def test_program_ends_well_if_its_reader_exits(tmp_path: Path) -> None:
    process = run(tmp_path / "done", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == "line × number 0\n"
    process.stdout.close()
    assert process.wait() == 0
    assert process.stderr is not None
    assert process.stderr.read() == "to standard error\n"
    process.stderr.close()
    assert (tmp_path / "done").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_program_ends_well_if_no_output_can_be_written(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        assert run(tmp_path / "done", stdout=full, stderr=full).wait() == 0
    assert (tmp_path / "done").exists()


def test_files_do_not_take_the_place_of_closed_streams(tmp_path: Path) -> None:
    command = ["sh", "-c", 'exec "$0" -c "$1" "$2" >&- 2>&-', sys.executable, PROGRAM, str(tmp_path / "done")]
    assert subprocess.run(command, check=False).returncode == 0
    assert int((tmp_path / "done").read_text()) > 2


def test_characters_that_the_terminal_lacks_are_escaped(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    process = run(tmp_path / "done", stdout=subprocess.PIPE, env=environment)
    lines, _ = process.communicate()
    assert process.returncode == 0
    assert lines.splitlines()[-1] == r"line \xd7 number 19999"
