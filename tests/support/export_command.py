"""The command line `python -m export`, as several tests run it."""

from typer.testing import CliRunner, Result

from export.__main__ import app


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def refused(*arguments: object, status: int = 2) -> str:
    """The one sentence on stderr of a command that fails with this status and prints nothing else."""
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (status, "")
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr.removeprefix("Error: ").rstrip("\n")
