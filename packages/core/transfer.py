"""The command line: `python -m core.transfer --content photo.jpg --style painting.jpg`."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from core.cli import (
    ConfigFile,
    ContentPath,
    Cuda,
    Epochs,
    OutputPath,
    Preset,
    ProgressStyle,
    Quiet,
    RecordPath,
    StylePath,
    choose_files,
    config_options,
    one_sentence,
    paint_to_file,
    resolve,
)
from core.config import TransferConfig
from core.pyramid import Scale, memory_needed

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(context_settings={"help_option_names": ["-h", "--help"]})
@config_options()
def transfer(
    content: ContentPath = None,
    style: StylePath = None,
    output: OutputPath = None,
    config: ConfigFile = None,
    preset: Preset = None,
    record: RecordPath = None,
    epochs: Epochs = None,
    cuda: Cuda = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would run, and stop.")] = False,
    quiet: Quiet = False,
    progress: ProgressStyle = "auto",
    **options: Any,
) -> None:
    """Paint a photograph in the style of another picture.

    Ctrl-C ends the run and delivers the best picture so far.
    """
    with one_sentence():
        choices, pictures = resolve(options, preset=preset, config_file=config, epochs=epochs, cuda=cuda)
        job = choose_files(content, style, output, pictures, choices, record=record)
        if dry_run:
            show_plan(job.scales, choices)
            typer.echo(f"into {job.output}; nothing was painted")
        else:
            paint_to_file(job, choices, record=record, quiet=quiet, progress=progress)


def show_plan(scales: Sequence[Scale], config: TransferConfig) -> None:
    """Print what would run: the network, the device, and for every scale sizes, evaluations and memory."""
    from core.engine import choose_device

    device = choose_device(config.device)
    table = Table("scale", "painting", "style", "evaluations", "memory")
    for number, scale in enumerate(scales, start=1):
        sizes = (f"{width} × {height}" for width, height in (scale.size, scale.style_size))
        memory = f"about {memory_needed(scale.size, config) / 2**30:.1f} GiB"
        table.add_row(f"{number}/{len(scales)}", *sizes, str(scale.evaluations), memory)
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"{config.arch} ({config.weights}), {config.optimizer}, start {config.init}, on {device}")
    console.print(table)


if __name__ == "__main__":
    app()
