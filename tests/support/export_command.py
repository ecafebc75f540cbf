"""Runs of the command line `python -m export` within the test process."""

from typer.testing import CliRunner, Result

from export.__main__ import app


def run(*arguments: object) -> Result:
    """Run the command and return its output and exit status."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def refused(*arguments: object, status: int = 2) -> str:
    """Run a command that must fail with `status` and print one line, and return its error message."""
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (status, "")
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr.removeprefix("Error: ").rstrip("\n")
