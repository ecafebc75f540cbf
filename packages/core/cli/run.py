"""One run of a command line: resolve and check its paths, then stylize and write the files."""

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Self

import typer

from core.cli.errors import EXIT_INTERRUPTED
from core.cli.interval import EvaluationInterval
from core.cli.progress_bar import show_progress
from core.cli.video import Video
from core.config.transfer_config import TransferConfig
from core.distributed import SINGLE_PROCESS, ProcessGroup
from core.errors import UsageError
from core.files import check_writable
from core.image.compositing import over_white
from core.image.reading import ImageSource, read_size
from core.image.writing import check_output, to_image, write_image
from core.memory.reading import reading_memory
from core.multiscale.schedule import Scale, build_schedule
from core.runs.checkpoint import Checkpoint
from core.runs.progress import Progress, Result
from core.runs.record import write_record
from core.style_transfer import stylize
from core.styles import Style, assign_regions, style_names, style_sizes


@dataclass(frozen=True)
class RunPaths:
    """The files that a run reads and writes."""

    content: Path
    styles: tuple[Style, ...]
    output: Path
    record: Path | None = None
    checkpoint: Path | None = None

    @property
    def inputs(self) -> tuple[ImageSource | None, ...]:
        """The content image, the style images and the region masks; None for a style without a region."""
        return self.content, *(source for style in self.styles for source in (*style.images, style.region))

    @property
    def files(self) -> tuple[ImageSource | None, ...]:
        """The inputs, the output, the record and the checkpoint; None for one that is not given."""
        return *self.inputs, self.output, self.record, self.checkpoint

    def build_schedule(self, config: TransferConfig) -> tuple[Scale, ...]:
        """Return the scales of the run; reads the sizes of the images from their headers."""
        memory = reading_memory(config)
        content_size = read_size(self.content, name="content", memory=memory)
        style_image_sizes = [size for style in self.styles for size in style_sizes(style, memory)]
        return build_schedule(content_size, style_image_sizes, config, style_names(self.styles))


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
) -> RunPaths:
    """Return the paths of a run, and check that it can use them.

    `--content`, `--style` and `--output` override the `--config` file. The regions of the command line are assigned to
    the chosen styles. Record and checkpoint come from the command line only.

    Args:
        content: The flag `--content`.
        styles: The flags `--style`, as `Style.parse` reads them.
        regions: The flags `--region`, each MASK=STYLE.
        output: The flag `--output`.
        from_file: The paths in the `--config` file.
        config: Decides the size and the bit depth of the output.
        record: The flag `--record`.
        checkpoint: The flag `--checkpoint`.

    Raises:
        UsageError: An image is missing, unreadable or too small, or a file cannot be written.
    """
    content = content or from_file.get("content")
    if content is None:
        raise UsageError("no content image is given: add --content FILE")
    content = Path(content)
    chosen = assign_regions(
        [Style.parse(text) for text in styles] if styles else from_file.get("style", ()), regions or ()
    )
    if not chosen:
        raise UsageError("no style image is given: add --style FILE")
    output = output or Path(from_file.get("output", f"{content.stem}-{'-'.join(style.name for style in chosen)}.png"))
    paths = RunPaths(content, chosen, output, record, checkpoint)
    size = paths.build_schedule(config)[-1].size
    check_output(output, bit_depth=config.bit_depth, inputs=paths.inputs, size=size)
    if record:
        check_writable(record, inputs=[*paths.inputs, output])
    if checkpoint:
        check_writable(checkpoint, inputs=[*paths.inputs, output, record])
    return paths


def open_video(path: Path, paths: RunPaths, config: TransferConfig, fps: float) -> Video:
    """Return the video of a run; it must overwrite no other file of the run.

    Raises:
        UsageError: See `Video`.
    """
    size = paths.build_schedule(config)[-1].size
    return Video(path, size, fps=fps, every=config.save_every, inputs=paths.files)


class GracefulInterrupt:
    """Context manager that lets a run end at its next step after Ctrl-C or SIGTERM.

    The first signal sets `requested`; the second one raises `KeyboardInterrupt`.
    """

    def __init__(self) -> None:
        self.requested = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True

    def __enter__(self) -> Self:
        self._previous = {s: signal.signal(s, self._handle) for s in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)


def run_to_files(
    paths: RunPaths,
    config: TransferConfig,
    *,
    checkpoint: Checkpoint | None = None,
    video: Video | None = None,
    quiet: bool = False,
    progress: str = "auto",
    group: ProcessGroup = SINGLE_PROCESS,
) -> None:
    """Run, display the progress, and write the output image, the run record and the video.

    After an interrupt the best image so far is written and the checkpoint stays; after a complete run the checkpoint
    is removed. With several ranks only rank 0 displays and writes.

    Raises:
        typer.Exit: The run was interrupted.
        StyleTransferError: The run failed, or a file cannot be written.
    """
    if not group.is_main:
        _run_worker(paths, config, checkpoint, group)
        return
    write_snapshot = _SnapshotWriter(paths.output, config)
    silent = quiet or progress == "json"
    with GracefulInterrupt() as interrupt, show_progress(progress, quiet) as show:

        def after_step(step: Progress) -> bool:
            if checkpoint and step.resumed and not silent:
                typer.echo(f"resuming from {checkpoint.path} at evaluation {step.evaluations}", err=True)
            show(step)
            write_snapshot(step)
            if video:
                video.add(step)
            return interrupt.requested

        result = stylize(paths.content, paths.styles, config, callback=after_step, checkpoint=checkpoint, group=group)
    result.save(paths.output)
    if paths.record:
        write_record(paths.record, result.record)
    if video:
        video.write(to_image(result.pixels if result.alpha is None else over_white(result.pixels, result.alpha)))
    if checkpoint and not result.record["stopped"]:
        checkpoint.remove()
    if not silent:
        typer.echo(_summary(paths.output, result))
    if interrupt.requested or result.record["stopped"]:
        raise typer.Exit(EXIT_INTERRUPTED)


def _run_worker(paths: RunPaths, config: TransferConfig, checkpoint: Checkpoint | None, group: ProcessGroup) -> None:
    """Run a rank other than 0: no output, no files, exit status 0 even after an interrupt.

    With another status torchrun would end rank 0 while it still writes.
    """
    with GracefulInterrupt() as interrupt:
        stylize(
            paths.content,
            paths.styles,
            config,
            callback=lambda _: interrupt.requested,
            checkpoint=checkpoint,
            group=group,
        )


class _SnapshotWriter:
    """Callback that writes the current image every `--save-every` evaluations, as NAME-0050.png beside NAME.png."""

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
    losses = ", ".join(f"{name} {value:.5g}" for name, value in record["delivered"].items())
    evaluations = record["losses"][-1]["evaluations"]
    return f"{output}: {evaluations} evaluations in {record['seconds']:.0f} s, final {losses}"
