"""One run of a command line, from its files to its files: chosen and checked first, then painted and written."""

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import typer

from core.checkpoint import Checkpoint
from core.cli import INTERRUPTED
from core.config import TransferConfig
from core.errors import UsageError
from core.files import check_writable
from core.film import Film
from core.images import PictureSource, check_output, read_size, to_image, write_picture
from core.progress import Every, show_progress
from core.pyramid import Scale, plan_scales
from core.ranks import ALONE, Ranks
from core.record import write_record
from core.styles import Style, assign_regions, style_sizes
from core.stylize import Progress, Result, stylize


@dataclass(frozen=True)
class Job:
    """The files of a run, and the scales it goes through."""

    content: Path
    styles: tuple[Style, ...]
    output: Path
    scales: tuple[Scale, ...]

    @property
    def inputs(self) -> tuple[PictureSource | None, ...]:
        """All pictures it reads."""
        return self.content, *(source for style in self.styles for source in (*style.pictures, style.region))


def choose_files(
    content: Path | None,
    styles: Sequence[str] | None,
    regions: Sequence[str] | None,
    output: Path | None,
    from_file: Mapping[str, Any],
    config: TransferConfig,
    *,
    record: Path | None = None,
    checkpoint: Path | None = None,
) -> Job:
    """The files from the command line, else from a file; that they can be read and written is known afterwards.

    Raises:
        UsageError: A picture is missing or cannot be painted, or a file cannot be written.
    """
    content = content or from_file.get("content")
    if content is None:
        raise UsageError("no content picture was named: add --content FILE")
    content = Path(content)
    chosen = assign_regions(
        [Style.parse(text) for text in styles] if styles else from_file.get("style", ()), regions or ()
    )
    if not chosen:
        raise UsageError("no style picture was named: add --style FILE")
    output = output or Path(from_file.get("output", f"{content.stem}-{'-'.join(style.name for style in chosen)}.png"))
    sizes = [size for style in chosen for size in style_sizes(style)]
    scales = plan_scales(read_size(content, name="content"), sizes, config)
    job = Job(content, chosen, output, scales)
    check_output(output, bit_depth=config.bit_depth, inputs=job.inputs, size=scales[-1].size)
    if record:
        check_writable(record, inputs=[*job.inputs, output])
    if checkpoint:
        check_writable(checkpoint, inputs=[*job.inputs, output, record])
    return job


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


def paint_to_file(
    job: Job,
    config: TransferConfig,
    *,
    record: Path | None = None,
    checkpoint: Checkpoint | None = None,
    film: Film | None = None,
    quiet: bool = False,
    progress: str = "auto",
    ranks: Ranks = ALONE,
) -> None:
    """Paint, telling how it goes, and write painting, record and film; Ctrl-C delivers the best picture so far.

    The checkpoint of a run that came to its end is removed. Of several `ranks` that paint it together, the first one
    tells and writes.
    """
    if not ranks.first:
        _paint_along(job, config, checkpoint, ranks)
        return
    in_between = _InBetween(job.output, config)
    with Interrupt() as interrupt, show_progress(progress, quiet) as show:

        def after_step(step: Progress) -> bool:
            if checkpoint and step.resumed and not quiet and progress != "json":
                typer.echo(f"going on from {checkpoint.path}, evaluation {step.evaluations}", err=True)
            show(step)
            in_between(step)
            if film:
                film.add(step)
            return interrupt.requested

        result = stylize(job.content, job.styles, config, callback=after_step, checkpoint=checkpoint, ranks=ranks)
    result.save(job.output)
    if record:
        write_record(record, result.record)
    if film:
        film.write(to_image(result.pixels))
    if checkpoint and not result.record["stopped"]:
        checkpoint.remove()
    if not quiet and progress != "json":
        typer.echo(_summary(job.output, result))
    if interrupt.requested or result.record["stopped"]:
        raise typer.Exit(INTERRUPTED)


def _paint_along(job: Job, config: TransferConfig, checkpoint: Checkpoint | None, ranks: Ranks) -> None:
    """Do the share of a process that neither tells nor writes; interrupted or not, it has then done well.

    Were it to exit otherwise, torchrun would end the first one while that still writes.
    """
    with Interrupt() as interrupt:
        stylize(
            job.content, job.styles, config, callback=lambda _: interrupt.requested, checkpoint=checkpoint, ranks=ranks
        )


class _InBetween:
    """Saves the picture every so many evaluations, as NAME-0050.png beside the output NAME.png."""

    def __init__(self, output: Path, config: TransferConfig) -> None:
        self._output, self._config = output, config
        self._due = Every(config.save_every) if config.save_every else None

    def __call__(self, step: Progress) -> None:
        if self._due is None or not self._due(step):
            return
        path = self._output.with_stem(f"{self._output.stem}-{step.evaluations:04d}")
        write_picture(path, step.pixels, bit_depth=self._config.bit_depth, quality=self._config.quality)


def _summary(output: Path, result: Result) -> str:
    record = result.record
    parts = ", ".join(f"{name} {value:.5g}" for name, value in record["delivered"].items())
    used = record["losses"][-1]["evaluations"]
    return f"{output}: {used} evaluations in {record['seconds']:.0f} s, delivered {parts}"
