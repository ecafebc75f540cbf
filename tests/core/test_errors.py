"""Errors have a status and one line, and parts of a run that may fail do not end it."""

import logging

import pytest

from core.errors import NonEssential, StyleTransferError, UsageError, first_line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (RuntimeError("mat1 and mat2 differ\nException raised from ...\nframe #0"), "mat1 and mat2 differ"),
        (RuntimeError("one line"), "one line"),
        (MemoryError(), "MemoryError"),
        (ValueError("\nthe first line is empty"), "ValueError"),
    ],
)
def test_first_line_is_never_empty(error: Exception, line: str) -> None:
    assert first_line(error) == line


def test_an_invalid_argument_is_also_a_value_error_with_a_status_of_its_own() -> None:
    with pytest.raises(ValueError, match="negative") as caught:
        raise UsageError("the weight is negative")
    assert isinstance(caught.value, StyleTransferError)
    assert (UsageError.exit_status, StyleTransferError.exit_status) == (2, 1)


def test_a_part_that_fails_gives_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    checkpoint, video = NonEssential("the checkpoint"), NonEssential("the video")
    reached = []
    with caplog.at_level(logging.WARNING):
        for part, message in ((checkpoint, "disk full\nat offset 7"), (checkpoint, "again"), (video, "no codec")):
            with part:
                raise OSError(message)
            reached.append(message)
        with checkpoint:
            reached.append("later attempts are made")
    assert len(reached) == 4
    assert caplog.messages == [
        "the checkpoint failed, the run continues: disk full",
        "the video failed, the run continues: no codec",
    ]


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_interrupts_end_the_run(interrupt: type[BaseException], caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(interrupt), NonEssential("the video"):
        raise interrupt
    assert caplog.messages == []
