"""What the command lines share: options taken from the configuration, errors in one sentence, progress."""

import inspect
import json
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from functools import wraps
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, get_args, get_origin

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from core.config import EVALUATIONS_PER_EPOCH, TransferConfig, preset_options
from core.errors import StyleTransferError, UsageError
from core.record import PICTURES, read_options
from core.stylize import Callback
from core.stylize import Progress as Painted

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells expect it; the best picture so far is delivered all the same."""

PLAIN_LINE_EVERY = 10
"""Evaluations between two lines of progress where there is no terminal."""


def config_options(*left_out: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A decorator: the command gets one option for every field of `TransferConfig`, but those left out.

    They arrive in its keyword arguments as text, None where not given; `TransferConfig` understands text and
    refuses in its own words, so that a command line, a file and a program hear the same sentence.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def wrapper(**given: Any) -> None:
            command(**given)

        own = [p for p in inspect.signature(command).parameters.values() if p.kind is not p.VAR_KEYWORD]
        shared = [_parameter(option) for option in fields(TransferConfig) if option.name not in left_out]
        wrapper.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]
        wrapper.__annotations__ = {p.name: p.annotation for p in (*own, *shared)}
        return wrapper

    return decorate


def _parameter(option: Any) -> inspect.Parameter:
    default = option.default
    shown = ",".join(f"{item}" for item in default) if isinstance(default, tuple) else f"{default}"
    info = typer.Option(
        "--" + option.name.replace("_", "-"),
        *option.metadata["flags"],
        help=option.metadata["help"],
        rich_help_panel=option.metadata["group"],
        metavar=_metavar(option.type),
        show_default=shown if default is not None else False,
    )
    annotation = Annotated[str | None, info]
    return inspect.Parameter(option.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _metavar(kind: Any) -> str:
    if get_origin(kind) is tuple:
        return f"{get_args(kind)[0].__name__.upper()}[,…]".replace("STR", "LAYER")
    choices = [choice for part in get_args(kind) for choice in get_args(part) or (part,) if isinstance(choice, str)]
    return "|".join(choices) if choices else {int: "INT", float: "FLOAT", str: "TEXT"}[kind]


def resolve(
    given: Mapping[str, Any],
    *,
    preset: str | None = None,
    config_file: Path | None = None,
    epochs: int | None = None,
    cuda: bool = False,
) -> tuple[TransferConfig, dict[str, str]]:
    """The configuration, and the pictures a file names: defaults, then preset, then file, then flags.

    Raises:
        UsageError: Something cannot be understood, or two flags contradict each other.
    """
    flags = {name: value for name, value in given.items() if value is not None}
    if epochs is not None:
        _exclusive("--epochs", "iterations", flags)
        if epochs < 1:
            raise UsageError(f"--epochs is {epochs}: expected a whole number of at least 1")
        flags["iterations"] = epochs * EVALUATIONS_PER_EPOCH
    if cuda:
        _exclusive("--cuda", "device", flags)
        flags["device"] = "cuda"
    options = preset_options(preset) if preset else {}
    options |= read_options(config_file) if config_file else {}
    pictures = {name: options.pop(name) for name in PICTURES if name in options}
    return TransferConfig.from_options(options | flags), pictures


def _exclusive(flag: str, other: str, flags: Mapping[str, Any]) -> None:
    if other in flags:
        raise UsageError(f"{flag} and --{other} were both given and say the same thing: give one of them")


def picture_path(flag: str, given: Path | None, pictures: Mapping[str, str]) -> Path:
    """The path from the command line, else from a file."""
    if given is None and flag not in pictures:
        raise UsageError(f"no {flag} picture was named: add --{flag} FILE")
    return given or Path(pictures[flag])


@contextmanager
def one_sentence() -> Iterator[None]:
    """Turn what went wrong into one sentence on stderr and the exit status that goes with it."""
    try:
        yield
    except StyleTransferError as error:
        fail(str(error), error.exit_status)
    except KeyboardInterrupt:
        fail("interrupted before there was a picture; nothing was written", INTERRUPTED)


def fail(sentence: str, status: int = 1) -> None:
    """Print the sentence on stderr and exit."""
    Console(stderr=True, soft_wrap=True, markup=False, highlight=False).print(f"Error: {sentence}")
    raise typer.Exit(status)


class Interrupt:
    """Lets the first Ctrl-C (or SIGTERM) end a run at its next step, and the second one at once."""

    def __init__(self) -> None:
        self.requested = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True

    def __enter__(self) -> "Interrupt":
        self._previous = {s: signal.signal(s, self._handle) for s in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)


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
