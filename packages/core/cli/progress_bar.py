"""Progress display of a run: a bar on a terminal, plain lines elsewhere, JSON lines for programs."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich import progress as rich_progress
from rich.console import Console

from core.runs.progress import Callback, Progress

EVALUATIONS_PER_LINE = 10
"""Evaluations from one plain line to the next."""


@contextmanager
def show_progress(style: str, quiet: bool) -> Iterator[Callback]:
    """Yield a callback that displays each step of a run.

    Args:
        style: "json" for one JSON object per step on stdout; "auto" for a bar on stderr if that is a terminal, else
            plain lines on stderr.
        quiet: Display nothing, whatever the style.
    """
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    if quiet:
        yield lambda progress: None
    elif style == "json":
        yield _print_json
    elif console.is_terminal:
        with _bar(console) as update:
            yield update
    else:
        yield _LinePrinter(console)


def _print_json(progress: Progress) -> None:
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
        rich_progress.TextColumn("{task.description}"),
        rich_progress.BarColumn(),
        rich_progress.TextColumn("{task.fields[status]}"),
        rich_progress.TimeRemainingColumn(),
    )
    with rich_progress.Progress(*columns, console=console, transient=True, speed_estimate_period=120) as bar:
        task = bar.add_task("loading", total=1.0, status="")

        def update(progress: Progress) -> None:
            scale = f"scale {progress.scale}/{progress.scales}  {progress.size[0]}×{progress.size[1]}"
            bar.update(task, completed=progress.fraction, description=scale, status=_format_status(progress))

        yield update


class _LinePrinter:
    def __init__(self, console: Console) -> None:
        self._console, self._next = console, 0

    def __call__(self, progress: Progress) -> None:
        if progress.evaluations < self._next and progress.fraction < 1:
            return
        self._next = progress.evaluations + EVALUATIONS_PER_LINE
        remaining = progress.seconds * (1 - progress.fraction) / progress.fraction
        scale = f"scale {progress.scale}/{progress.scales} {progress.size[0]}x{progress.size[1]}"
        self._console.print(f"{scale}  {_format_status(progress)}  {remaining:.0f} s left")


def _format_status(progress: Progress) -> str:
    parts = "  ".join(f"{name} {value:.4g}" for name, value in progress.parts.items())
    rate = progress.evaluations / progress.seconds if progress.seconds else 0.0
    return f"{progress.evaluations}/{progress.total_evaluations}  loss {progress.loss:.5g}  {parts}  {rate:.2f}/s"
