"""Progress displays, fed with steps that no run has to compute."""

import io
import json
import sys
from typing import Any

import pytest

from core.cli.progress_bar import EVALUATIONS_PER_LINE, show_progress


class FakeProgress:
    """The attributes of `core.runs.progress.Progress` that a display reads."""

    def __init__(self, evaluations: int, total: int = 40) -> None:
        self.evaluations, self.total_evaluations = evaluations, total
        self.scale, self.scales, self.size = 1, 2, (48, 32)
        self.loss, self.parts = 3.0, {"content": 1.0, "style": 2.0}
        self.seconds, self.fraction = float(evaluations), evaluations / total

    def losses(self) -> dict[str, Any]:
        return {"scale": self.scale, "evaluations": self.evaluations, "loss": self.loss, **self.parts}


def display(style: str, quiet: bool = False) -> None:
    with show_progress(style, quiet) as show:
        for evaluations in range(1, 41):
            assert not show(FakeProgress(evaluations))


def test_json_progress_prints_one_object_per_step(capsys: pytest.CaptureFixture[str]) -> None:
    display("json")
    printed = capsys.readouterr()
    lines = [json.loads(line) for line in printed.out.splitlines()]
    assert printed.err == ""
    assert [line["evaluations"] for line in lines] == list(range(1, 41))
    assert lines[0] == {
        "scale": 1, "evaluations": 1, "loss": 3.0, "content": 1.0, "style": 2.0,
        "scales": 2, "size": [48, 32], "total": 40,
    }  # fmt: skip


def test_plain_progress_prints_a_line_every_few_evaluations_and_the_last_step(
    capsys: pytest.CaptureFixture[str],
) -> None:
    display("auto")
    printed = capsys.readouterr()
    lines = printed.err.splitlines()
    assert printed.out == ""
    assert lines[0] == "scale 1/2 48x32  1/40  loss 3  content 1  style 2  1.00/s  39 s left"
    numbers = [int(line.split("/40")[0].split()[-1]) for line in lines]
    assert numbers == [*range(1, 40, EVALUATIONS_PER_LINE), 40]


@pytest.mark.parametrize("style", ["auto", "json"])
def test_quiet_progress_prints_nothing(style: str, capsys: pytest.CaptureFixture[str]) -> None:
    display(style, quiet=True)
    assert capsys.readouterr() == ("", "")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_on_a_terminal_is_a_bar_that_vanishes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "150")
    display("auto")
    printed = sys.stderr.getvalue()
    assert "scale 1/2  48×32" in printed
    assert "40/40  loss 3" in printed
    assert printed.endswith("\x1b[2K")
