"""One run of a command line: resolve and check its paths, then stylize and write the files."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import typer

from core.cli.errors import EXIT_INTERRUPTED, exit_with_error
from core.cli.input_files import check_readable, files_of_options
from core.cli.interrupt import GracefulInterrupt
from core.cli.progress_bar import show_progress
from core.cli.saving import best_result, check_replaceable, save_result
from core.cli.snapshots import SnapshotWriter, check_snapshots
from core.cli.terminal import print_line
from core.cli.video import Video
from core.config.transfer_config import TransferConfig
from core.distributed import SINGLE_PROCESS, ProcessGroup
from core.errors import NonEssential, StyleTransferError, UsageError
from core.files import check_writable
from core.image.compositing import over_white
from core.image.reading import ImageSource, describe_source, read_size
from core.image.writing import check_output, to_image
from core.memory.reading import reading_memory
from core.multiscale.schedule import Scale, build_schedule
from core.runs.checkpoint import Checkpoint
from core.runs.progress import Callback, Progress, Result
from core.runs.record import write_record
from core.style_transfer import stylize
from core.styles import Style, assign_regions, assign_style_masks, style_names, style_sizes


@dataclass(frozen=True)
class RunPaths:
    """The files that a run reads and writes."""

    content: Path
    styles: tuple[Style, ...]
    output: Path
    record: Path | None = None
    checkpoint: Path | None = None
    others: tuple[Path, ...] = ()
    """Files that the run reads and that are no images of it: see `files_of_options`."""

    @property
    def inputs(self) -> tuple[ImageSource | None, ...]:
        """All files that the run reads, and None for a style without a region or without a style mask."""
        images = (source for style in self.styles for source in (*style.images, style.region, style.mask))
        return self.content, *images, *self.others

    @property
    def files(self) -> tuple[ImageSource | None, ...]:
        """The inputs, the output, the record and the checkpoint; None for one that is not given."""
        return *self.inputs, self.output, self.record, self.checkpoint

    def build_schedule(self, config: TransferConfig) -> tuple[Scale, ...]:
        """Return the scales of the run; reads the sizes of the images from their headers."""
        memory = reading_memory(config)
        content_size = read_size(self.content, name="content", memory=memory)
        style_image_sizes = [size for style in self.styles for size in style_sizes(style, memory)]
        return build_schedule(
            content_size,
            style_image_sizes,
            config,
            style_names(self.styles),
            content_name=describe_source(self.content, "content"),
        )


def resolve_paths(
    content: Path | None,
    styles: Sequence[str] | None,
    regions: Sequence[str] | None,
    output: Path | None,
    from_file: Mapping[str, Any],
    config: TransferConfig,
    *,
    style_masks: Sequence[str] | None = None,
    record: Path | None = None,
    checkpoint: Path | None = None,
    config_file: Path | None = None,
) -> RunPaths:
    """Return the paths of a run, and check that it can use them.

    `--content` and `--style` override the `--config` file. The regions and style masks of a TOML file and of the
    command line are assigned to the chosen styles. All files to write come from the command line only: a file that
    somebody else made must not choose them.

    Args:
        content: The flag `--content`.
        styles: The flags `--style`, as `Style.parse` reads them.
        regions: The flags `--region`, each MASK=STYLE.
        output: The flag `--output`.
        from_file: The paths in the `--config` file.
        config: Decides the size and the bit depth of the output.
        style_masks: The flags `--style-mask`, each MASK=STYLE.
        record: The flag `--record`.
        checkpoint: The flag `--checkpoint`.
        config_file: The flag `--config`.

    Raises:
        UsageError: An image is missing, unreadable or too small, a file cannot be written, or one would replace
            another file of the run.
    """
    content = content or from_file.get("content")
    if content is None:
        raise UsageError("no content image is given: add --content FILE")
    content = Path(content)
    given = [Style.parse(text) for text in styles] if styles else from_file.get("style", ())
    chosen = assign_regions(given, [*from_file.get("region", ()), *(regions or ())])
    chosen = assign_style_masks(chosen, [*from_file.get("style_mask", ()), *(style_masks or ())])
    if not chosen:
        raise UsageError("no style image is given: add --style FILE")
    if output is None and "output" in from_file:
        raise UsageError(
            f"--config {config_file} names the output {from_file['output']}, but such a file does not choose where to "
            "write: add --output"
        )
    if output is None:
        output = Path(f"{content.stem}-{'-'.join(style.name for style in chosen)}.png")
        check_replaceable(output, "--output")
    paths = RunPaths(content, chosen, output, record, checkpoint, files_of_options(config, config_file))
    size = paths.build_schedule(config)[-1].size
    check_readable(chosen, config)
    check_output(output, bit_depth=config.bit_depth, inputs=paths.inputs, size=size)
    if record:
        check_writable(record, inputs=[*paths.inputs, output])
    if checkpoint:
        check_writable(checkpoint, inputs=[*paths.inputs, output, record])
    check_snapshots(output, config, paths.files)
    return paths


def open_video(path: Path, paths: RunPaths, config: TransferConfig, fps: float) -> Video:
    """Return the video of a run; it must overwrite no other file of the run.

    Raises:
        UsageError: See `Video`.
    """
    size = paths.build_schedule(config)[-1].size
    check_snapshots(paths.output, config, [path])
    return Video(path, size, fps=fps, every=config.save_every, inputs=paths.files)


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

    After an interrupt or a failure the best image so far is written and the checkpoint stays; after a complete run the
    checkpoint is removed. If the progress display, an intermediate image, the checkpoint or the video fails, the run
    continues with a warning. With several ranks only rank 0 displays and writes.

    Raises:
        typer.Exit: The run was interrupted.
        StyleTransferError: The run failed, or the output image or the record cannot be written.
    """
    if not group.is_main:
        _run_worker(paths, config, checkpoint, group)
        return
    silent = quiet or progress == "json"
    with GracefulInterrupt() as interrupt:
        with show_progress(progress, quiet) as show:
            after_step = _after_step(paths.output, config, interrupt, show, video, None if silent else checkpoint)
            stylize_images = partial(stylize, paths.content, paths.styles, config, checkpoint=checkpoint, group=group)
            result, failure = best_result(partial(stylize_images, callback=after_step))
            interrupt.protect()
        written, problems = _write_result(paths, result, failure)
        if video:
            interrupt.release()
            _write_video(video, result, written)
    if checkpoint and not (problems or result.record["stopped"]):
        with NonEssential("the removal of the checkpoint"):
            checkpoint.remove()
    if not silent and paths.output in written:
        print_line(_summary(paths.output, result))
    if problems:
        raise StyleTransferError("; ".join(problems))
    if interrupt.requested or result.record["stopped"]:
        raise typer.Exit(EXIT_INTERRUPTED)


def _after_step(
    output: Path,
    config: TransferConfig,
    interrupt: GracefulInterrupt,
    show: Callback,
    video: Video | None,
    checkpoint: Checkpoint | None,
) -> Callback:
    """Return the callback of a run; it names the checkpoint, if given, from which the run is resumed."""
    write_snapshot = SnapshotWriter(output, config)
    display, snapshot, recording = (
        NonEssential(name) for name in ("the progress display", "an intermediate image", "a frame of the video")
    )

    def after_step(step: Progress) -> bool:
        with display:
            if checkpoint and step.resumed:
                print_line(f"resuming from {checkpoint.path} at evaluation {step.evaluations}", stderr=True)
            show(step)
        with snapshot:
            write_snapshot(step)
        if video:
            with recording:
                video.add(step)
        if interrupt.requested or step.evaluations >= step.total_evaluations:
            interrupt.protect()  # the steps are complete: another signal must not discard the result
        return interrupt.requested

    return after_step


def _write_result(paths: RunPaths, result: Result, failure: str) -> tuple[list[Path], list[str]]:
    """Write the output image and the record; return the written files, and everything that failed with the run."""
    writers: dict[Path, Callable[[], None]] = {paths.output: partial(save_result, result, paths.output)}
    if paths.record:
        writers[paths.record] = partial(write_record, paths.record, result.record)
    written, problems = [], [failure] if failure else []
    for path, write in writers.items():
        try:
            write()
            written.append(path)
        except StyleTransferError as error:
            problems.append(str(error))
    if problems and paths.output in written:
        problems.append(f"{'the best image so far' if failure else 'the image'} was written to {paths.output}")
    return written, problems


def _write_video(video: Video, result: Result, written: Sequence[Path]) -> None:
    """Write the video.

    Raises:
        typer.Exit: Another interrupt ended the writing; the sentence names the files that are complete.
    """
    try:
        with NonEssential("the video"):
            video.write(to_image(result.pixels if result.alpha is None else over_white(result.pixels, result.alpha)))
    except KeyboardInterrupt:
        files = " and ".join(str(path) for path in written)
        others = f", but {files} {'was' if len(written) == 1 else 'were'}" if written else ""
        exit_with_error(f"interrupted: {video.path} was not written{others}", EXIT_INTERRUPTED)


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


def _summary(output: Path, result: Result) -> str:
    record = result.record
    losses = ", ".join(f"{name} {value:.5g}" for name, value in record["delivered"].items())
    evaluations = record["losses"][-1]["evaluations"]
    return f"{output}: {evaluations} evaluations in {record['seconds']:.0f} s, final {losses}"
