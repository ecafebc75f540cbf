"""One run of a command line, from its files to its files: chosen and checked first, then painted and written."""

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import typer

from core.cli.errors import INTERRUPTED
from core.cli.progress_bar import EvaluationInterval, show_progress
from core.cli.video import Video
from core.config.transfer_config import TransferConfig
from core.distributed import SINGLE_PROCESS, ProcessGroup
from core.errors import UsageError
from core.files import check_writable
from core.image.reading import ImageSource, read_size
from core.image.writing import check_output, to_image, write_image
from core.multiscale.schedule import Scale, build_schedule
from core.runs.checkpoint import Checkpoint
from core.runs.progress import Progress, Result
from core.runs.record import write_record
from core.style_transfer import stylize
from core.styles import Style, assign_regions, style_sizes


@dataclass(frozen=True)
class Job:
    """The files of a run, and the scales it goes through."""

    content: Path
    styles: tuple[Style, ...]
    output: Path
    scales: tuple[Scale, ...]

    @property
    def inputs(self) -> tuple[ImageSource | None, ...]:
        """All pictures it reads."""
        return self.content, *(source for style in self.styles for source in (*style.images, style.region))


def resolve_paths(
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
    scales = build_schedule(read_size(content, name="content"), sizes, config)
    job = Job(content, chosen, output, scales)
    check_output(output, bit_depth=config.bit_depth, inputs=job.inputs, size=scales[-1].size)
    if record:
        check_writable(record, inputs=[*job.inputs, output])
    if checkpoint:
        check_writable(checkpoint, inputs=[*job.inputs, output, record])
    return job


class GracefulInterrupt:
    """Lets the first Ctrl-C (or SIGTERM) end a run at its next step, and the second one at once."""

    def __init__(self) -> None:
        self.requested = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True

    def __enter__(self) -> "GracefulInterrupt":
        self._previous = {s: signal.signal(s, self._handle) for s in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)


def run_to_files(
    job: Job,
    config: TransferConfig,
    *,
    record: Path | None = None,
    checkpoint: Checkpoint | None = None,
    film: Video | None = None,
    quiet: bool = False,
    progress: str = "auto",
    group: ProcessGroup = SINGLE_PROCESS,
) -> None:
    """Paint, telling how it goes, and write painting, record and film; Ctrl-C delivers the best picture so far.

    The checkpoint of a run that came to its end is removed. Of several `group` that paint it together, the first one
    tells and writes.
    """
    if not group.first:
        _run_worker(job, config, checkpoint, group)
        return
    in_between = _SnapshotWriter(job.output, config)
    with GracefulInterrupt() as interrupt, show_progress(progress, quiet) as show:

        def after_step(step: Progress) -> bool:
            if checkpoint and step.resumed and not quiet and progress != "json":
                typer.echo(f"going on from {checkpoint.path}, evaluation {step.evaluations}", err=True)
            show(step)
            in_between(step)
            if film:
                film.add(step)
            return interrupt.requested

        result = stylize(job.content, job.styles, config, callback=after_step, checkpoint=checkpoint, group=group)
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


def _run_worker(job: Job, config: TransferConfig, checkpoint: Checkpoint | None, group: ProcessGroup) -> None:
    """Do the share of a process that neither tells nor writes; interrupted or not, it has then done well.

    Were it to exit otherwise, torchrun would end the first one while that still writes.
    """
    with GracefulInterrupt() as interrupt:
        stylize(
            job.content, job.styles, config, callback=lambda _: interrupt.requested, checkpoint=checkpoint, group=group
        )


class _SnapshotWriter:
    """Saves the picture every so many evaluations, as NAME-0050.png beside the output NAME.png."""

    def __init__(self, output: Path, config: TransferConfig) -> None:
        self._output, self._config = output, config
        self._due = EvaluationInterval(config.save_every) if config.save_every else None

    def __call__(self, step: Progress) -> None:
        if self._due is None or not self._due(step):
            return
        path = self._output.with_stem(f"{self._output.stem}-{step.evaluations:04d}")
        write_image(path, step.pixels, bit_depth=self._config.bit_depth, quality=self._config.quality)


def _summary(output: Path, result: Result) -> str:
    record = result.record
    parts = ", ".join(f"{name} {value:.5g}" for name, value in record["delivered"].items())
    used = record["losses"][-1]["evaluations"]
    return f"{output}: {used} evaluations in {record['seconds']:.0f} s, delivered {parts}"
