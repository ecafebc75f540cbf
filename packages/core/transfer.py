"""The command line: `python -m core.transfer --content photo.jpg --style painting.jpg`."""

import math
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from core.arrays import Size
from core.byte_sizes import format_size
from core.cli.config_file import resolve
from core.cli.errors import SharedCommand, report_errors
from core.cli.options import (
    CheckpointEvery,
    CheckpointPath,
    ConfigFile,
    ContentPath,
    Cuda,
    Epochs,
    FilmFps,
    FilmPath,
    OutputPath,
    Preset,
    ProgressStyle,
    Quiet,
    RecordPath,
    Regions,
    StylePaths,
    config_options,
)
from core.cli.run import resolve_paths, run_to_files
from core.cli.video import FPS, Video
from core.config.transfer_config import TransferConfig
from core.distributed import ProcessGroup, all_reduced_bytes, process_group
from core.image.reading import allow_large_images
from core.memory.plan import Memory, Plan, plan_memory
from core.multiscale.schedule import Scale
from core.runs.checkpoint import CHECKPOINT_INTERVAL, Checkpoint

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(cls=SharedCommand, context_settings={"help_option_names": ["-h", "--help"]})
@config_options()
def transfer(
    content: ContentPath = None,
    style: StylePaths = None,
    region: Regions = None,
    output: OutputPath = None,
    config: ConfigFile = None,
    preset: Preset = None,
    record: RecordPath = None,
    checkpoint: CheckpointPath = None,
    checkpoint_every: CheckpointEvery = CHECKPOINT_INTERVAL,
    film: FilmPath = None,
    film_fps: FilmFps = FPS,
    epochs: Epochs = None,
    cuda: Cuda = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would run, and stop.")] = False,
    quiet: Quiet = False,
    progress: ProgressStyle = "auto",
    **options: Any,
) -> None:
    """Paint a photograph in the style of another picture.

    Ctrl-C ends the run and delivers the best picture so far. Several processes share one picture if torchrun starts
    them: torchrun --standalone --nproc-per-node 2 -m core.transfer …
    """
    with report_errors(), allow_large_images(), process_group() as group:
        choices, pictures = resolve(options, preset=preset, config_file=config, epochs=epochs, cuda=cuda)
        job = resolve_paths(content, style, region, output, pictures, choices, record=record, checkpoint=checkpoint)
        kept = Checkpoint(checkpoint, checkpoint_every) if checkpoint else None
        others = (*job.inputs, job.output, record, checkpoint)
        shown = (
            Video(film, job.scales[-1].size, fps=film_fps, every=choices.save_every, inputs=others) if film else None
        )
        if dry_run:
            show_plan(job.scales, choices, group)
            if group.first:
                typer.echo(f"into {job.output}; nothing was painted")
        else:
            run_to_files(
                job, choices, record=record, checkpoint=kept, film=shown, quiet=quiet, progress=progress, group=group
            )


def show_plan(scales: Sequence[Scale], config: TransferConfig, group: ProcessGroup) -> None:
    """Print what would run: the network, the device, and for every scale sizes, evaluations and memory.

    Raises:
        StyleTransferError: The device is missing, or the processes cannot share what is asked for.
    """
    from core.backends.device import choose_device, choose_precision, memory_for

    group.require_shareable(config)
    device = choose_device(config.device, group)
    memory = Memory(math.inf) if config.objective else memory_for(device, config, group)
    precision = choose_precision(config, device)
    plans = [plan_memory(scale.size, scale.style_size, config, memory, precision, group.count) for scale in scales]
    if not group.first:
        return
    table = Table("scale", "painting", "style", "evaluations", "memory", "computed")
    for number, (scale, plan) in enumerate(zip(scales, plans, strict=True), start=1):
        sizes = (_by(scale.size), _by(scale.style_size))
        table.add_row(f"{number}/{len(scales)}", *sizes, str(scale.evaluations), *_told(plan, config))
    console = Console(soft_wrap=True, highlight=False)
    console.print(
        f"{config.arch} ({config.weights}), {config.optimizer}, start {config.init}, on {device}{_together(group)}"
    )
    console.print(table)
    for insufficient_memory in filter(None, (plan.insufficient_memory for plan in plans)):
        console.print(f"this would fail: {insufficient_memory}")


def _told(plan: Plan, config: TransferConfig) -> tuple[str, str]:
    """The memory it takes, and how the picture is computed in it."""
    host = f", host {format_size(plan.host_memory)}" if plan.on_host else ""
    tiling = plan.tiling(config)
    how = "whole"
    if plan.tiled:
        how = f"{_by(tiling.grid(plan.size))} tiles of {_by(tiling.largest(plan.size)[0])}{_shared(plan, config)}"
        how += f", {plan.work:.2g} times the work"
    if config.optimizer == "lbfgs" and plan.history < config.history:
        how += f", history {plan.history}"
    return f"about {format_size(plan.memory)}{host}", how


def _together(group: ProcessGroup) -> str:
    return f", in {group.count} processes, memory being that of each" if group.count > 1 else ""


def _shared(plan: Plan, config: TransferConfig) -> str:
    """What each of several processes has of the tiles, and to tell the others at every evaluation."""
    if plan.processes == 1:
        return ""
    tiling = plan.tiling(config)
    shares = [sum(tile.weight > 0 for tile in tiling.share(plan.size, rank)) for rank in range(plan.processes)]
    counts = f"{shares[-1]} or {shares[0]}" if shares[-1] < shares[0] else f"{shares[0]}"
    return f", {counts} for each process, {all_reduced_bytes(plan.size, config) / 1e6:.1f} MB exchanged"


def _by(size: Size) -> str:
    return f"{size[0]} × {size[1]}"


if __name__ == "__main__":
    app()
