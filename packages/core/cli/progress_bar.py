"""How a run is told while it goes on: a bar on a terminal, plain lines elsewhere, JSON lines for programs."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from core.runs.progress import Callback
from core.runs.progress import Progress as Painted

PLAIN_LINE_EVERY = 10
"""Evaluations between two lines of progress where there is no terminal."""


class EvaluationInterval:
    """Says of a step whether the next so many evaluations were full with it: then something is due."""

    def __init__(self, evaluations: int) -> None:
        self._every, self._last = evaluations, 0

    def __call__(self, step: Painted) -> bool:
        """Whether it is due; what a resumed run stands at, the earlier one has done."""
        before, self._last = self._last, step.evaluations
        return not step.resumed and step.evaluations // self._every > before // self._every

    def half_as_often(self) -> Self:
        """The same from here on, after twice as many evaluations."""
        slower = type(self)(2 * self._every)
        slower._last = self._last
        return slower


@contextmanager
def show_progress(style: str, quiet: bool) -> Iterator[Callback]:
    """How a run is told: a bar on a terminal, plain lines elsewhere, both on stderr, or JSON lines on stdout."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    if quiet:
        yield lambda progress: None
    elif style == "json":
        yield _print_json
    elif console.is_terminal:
        with _bar(console) as update:
            yield update
    else:
        yield _Lines(console)


def _print_json(progress: Painted) -> None:
    line = {
        **progress.losses(),
        "scales": progress.scales,
        "size": progress.size,
        "total": progress.total_evaluations,
    }
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


@contextmanager
def _bar(console: Console) -> Iterator[Callback]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[told]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, speed_estimate_period=120) as bar:
        task = bar.add_task("loading", total=1.0, told="")

        def update(progress: Painted) -> None:
            where = f"scale {progress.scale}/{progress.scales}  {progress.size[0]}×{progress.size[1]}"
            bar.update(task, completed=progress.fraction, description=where, told=_told(progress))

        yield update


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console, self._next = console, 0

    def __call__(self, progress: Painted) -> None:
        if progress.evaluations < self._next and progress.fraction < 1:
            return
        self._next = progress.evaluations + PLAIN_LINE_EVERY
        left = progress.seconds * (1 - progress.fraction) / progress.fraction
        where = f"scale {progress.scale}/{progress.scales} {progress.size[0]}x{progress.size[1]}"
        self._console.print(f"{where}  {_told(progress)}  {left:.0f} s left")


def _told(progress: Painted) -> str:
    parts = "  ".join(f"{name} {value:.4g}" for name, value in progress.parts.items())
    rate = progress.evaluations / progress.seconds if progress.seconds else 0.0
    return f"{progress.evaluations}/{progress.total_evaluations}  loss {progress.loss:.5g}  {parts}  {rate:.2f}/s"
