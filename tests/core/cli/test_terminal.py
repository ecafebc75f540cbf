"""Text from files on the terminal: never markup, never control sequences, in every encoding."""

import os
import subprocess
import sys

import pytest
from rich.table import Table

from core.cli.terminal import cell, plain, print_line, print_table

HOSTILE = "[/b]\x1b[2J:smile:\u202egpj.\n\udcff é.png"
HARMLESS = r"[/b]\x1b[2J:smile:\u202egpj.\n\udcff é.png"


def test_plain_escapes_control_characters_alone() -> None:
    assert plain(HOSTILE) == HARMLESS


@pytest.mark.parametrize("stderr", [False, True])
def test_print_line_prints_one_harmless_line(stderr: bool, capsys: pytest.CaptureFixture[str]) -> None:
    print_line(HOSTILE, stderr=stderr)
    assert capsys.readouterr()[stderr] == HARMLESS + "\n"


def test_a_cell_of_a_table_shows_the_text_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("name")
    table.add_row(cell("a\n" + HOSTILE.replace("\n", "")))
    print_table(table, 100)
    assert HARMLESS.replace(r"\n", "") in capsys.readouterr().out


@pytest.mark.parametrize("module", ["core.transfer", "bench"])
def test_the_help_is_printed_on_an_ascii_terminal(module: str) -> None:
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    arguments = ["--help"] if module == "core.transfer" else ["compare", "--help"]
    ran = subprocess.run([sys.executable, "-m", module, *arguments], check=False, capture_output=True, env=environment)
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert b"--help" in ran.stdout
