"""Errors as one sentence on stderr and an exit status."""

import pytest
import typer

from core.cli.errors import EXIT_INTERRUPTED, exit_with_error, report_errors
from core.distributed import ReportedByOtherRank
from core.errors import StyleTransferError, UsageError


@pytest.mark.parametrize(
    ("error", "status", "printed"),
    [
        (StyleTransferError("the disk is full"), 1, "Error: the disk is full\n"),
        (UsageError("--seed is -1: [0, 1] expected"), 2, "Error: --seed is -1: [0, 1] expected\n"),
        (ReportedByOtherRank(2), 2, ""),
        (KeyboardInterrupt(), EXIT_INTERRUPTED, "Error: interrupted: nothing was written\n"),
    ],
)
def test_report_errors_exits_with_the_status_of_the_error(
    error: BaseException, status: int, printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as caught, report_errors():
        raise error
    assert caught.value.exit_code == status
    assert capsys.readouterr() == ("", printed)


def test_report_errors_does_not_hide_a_programming_error() -> None:
    with pytest.raises(ZeroDivisionError), report_errors():
        raise ZeroDivisionError


def test_exit_with_error_prints_a_long_sentence_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        exit_with_error("[bold] " + "word " * 100 + "end", 3)
    assert capsys.readouterr().err == "Error: [bold] " + "word " * 100 + "end\n"
