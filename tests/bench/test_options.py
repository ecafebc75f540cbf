"""Limits of the numbers on the command line."""

import pytest
from typer.testing import CliRunner

from bench.__main__ import app


@pytest.mark.parametrize(
    ("command", "option", "value"),
    [
        (("race", "-c", "c.png", "-s", "s.png", "-o", "out"), "--size", 8),
        (("quality", "c", "s", "-o", "out"), "--size", 2**21),
        (("time-to-quality", "-c", "c.png", "-s", "s.png"), "--size", 8),
        (("time-to-quality", "-c", "c.png", "-s", "s.png"), "--toolkit-evaluations", 0),
        (("time-to-quality", "-c", "c.png", "-s", "s.png"), "--toolkit-scales", -1),
    ],
)
def test_a_number_out_of_range_is_named_by_its_option(command: tuple[str, ...], option: str, value: int) -> None:
    outcome = CliRunner().invoke(app, [*command, option, str(value)])
    assert outcome.exit_code == 2
    assert outcome.stderr.startswith(f"Error: invalid value for '{option}'")
