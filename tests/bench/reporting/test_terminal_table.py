"""Tables on the terminal show any text literally, and are not cut."""

import pytest

from bench.reporting.terminal_table import TABLE_WIDTH, print_rows

ROWS = [
    {"program": "[red]x[/red]", "seconds": "1.5"},
    {"program": "y :warning: \x1b[31m", "seconds": "1,234"},
]


def test_text_is_left_aligned_and_numbers_are_right_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows("the [bold]title", ROWS, text_columns=["program"])
    lines = capsys.readouterr().out.splitlines()
    assert "the [bold]title" in lines[0]
    shown = [line for line in lines if line.startswith("│")]
    assert shown == ["│ [red]x[/red]         │     1.5 │", "│ y :warning: \\x1b[31m │   1,234 │"]


def test_a_table_is_wider_than_a_narrow_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    name = "a name of a program that takes " + "much " * 12 + "room"
    print_rows("title", [{"program": name, "seconds": "1"}], text_columns=["program"])
    assert name in capsys.readouterr().out
    assert len(name) < TABLE_WIDTH
