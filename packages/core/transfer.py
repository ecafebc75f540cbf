"""The command line: `python -m core.transfer --content photo.jpg --style painting.jpg`."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table

from core.cli import (
    INTERRUPTED,
    Interrupt,
    config_options,
    one_sentence,
    picture_path,
    resolve,
    show_progress,
)
from core.config import PRESETS, TransferConfig
from core.files import check_writable
from core.images import check_output, read_size, write_picture
from core.pyramid import memory_needed, plan_scales
from core.record import write_record
from core.stylize import Progress, Result, stylize

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

ContentPath = Annotated[
    Path | None,
    typer.Option("--content-image-path", "--content", "-c", help="The photograph.", show_default=False),
]
StylePath = Annotated[
    Path | None,
    typer.Option("--style-image-path", "--style", "-s", help="The picture to paint it like.", show_default=False),
]
OutputPath = Annotated[
    Path | None,
    typer.Option(
        "--save-path",
        "--output",
        "-o",
        help="Where the painting goes; its ending chooses the format.",
        show_default="CONTENT-STYLE.png here",
    ),
]


@app.command(context_settings={"help_option_names": ["-h", "--help"]})
@config_options()
def transfer(
    content: ContentPath = None,
    style: StylePath = None,
    output: OutputPath = None,
    config: Annotated[
        Path | None, typer.Option(help="Options from a TOML file, a record, or a painting that carries one.")
    ] = None,
    preset: Annotated[str | None, typer.Option(help="Defaults of: " + ", ".join(PRESETS) + ".")] = None,
    record: Annotated[Path | None, typer.Option(help="Write how it was painted, as JSON.", show_default=False)] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Length in epochs of 20 evaluations.", rich_help_panel="Optimiser")
    ] = None,
    cuda: Annotated[bool, typer.Option("--cuda", help="Same as --device cuda.", rich_help_panel="Machine")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would run, and stop.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
    progress: Annotated[
        Literal["auto", "json"], typer.Option(help="'json' prints a line for every step, for programs.")
    ] = "auto",
    **options: Any,
) -> None:
    """Paint a photograph in the style of another picture.

    Ctrl-C ends the run and delivers the best picture so far.
    """
    with one_sentence():
        choices, pictures = resolve(options, preset=preset, config_file=config, epochs=epochs, cuda=cuda)
        content = picture_path("content", content, pictures)
        style = picture_path("style", style, pictures)
        output = output or Path(pictures.get("output", f"{content.stem}-{style.stem}.png"))
        check_output(output, bit_depth=choices.bit_depth, inputs=(content, style))
        if record:
            check_writable(record, inputs=(content, style, output))
        if dry_run:
            show_plan(content, style, output, choices)
            return
        with Interrupt() as interrupt, show_progress(progress, quiet) as show:
            in_between = _InBetween(output, choices)

            def after_step(step: Progress) -> bool:
                show(step)
                in_between(step)
                return interrupt.requested

            result = stylize(content, style, choices, callback=after_step)
        result.save(output)
        if record:
            write_record(record, result.record)
        if not quiet and progress != "json":
            typer.echo(_summary(output, result))
        if interrupt.requested:
            raise typer.Exit(INTERRUPTED)


class _InBetween:
    """Saves the picture every so many evaluations, as NAME-0050.png beside the output NAME.png."""

    def __init__(self, output: Path, config: TransferConfig) -> None:
        self._output, self._config, self._next = output, config, config.save_every

    def __call__(self, step: Progress) -> None:
        if not self._config.save_every or step.evaluations < self._next:
            return
        self._next = step.evaluations - step.evaluations % self._config.save_every + self._config.save_every
        path = self._output.with_stem(f"{self._output.stem}-{step.evaluations:04d}")
        write_picture(path, step.pixels, bit_depth=self._config.bit_depth, quality=self._config.quality)


def _summary(output: Path, result: Result) -> str:
    record = result.record
    parts = ", ".join(f"{name} {value:.5g}" for name, value in record["delivered"].items())
    used = record["losses"][-1]["evaluations"]
    return f"{output}: {used} evaluations in {record['seconds']:.0f} s, delivered {parts}"


def show_plan(content: Path, style: Path, output: Path, config: TransferConfig) -> None:
    """Print what would run: sizes, scales, evaluations, memory, and where it goes."""
    from core.engine import choose_device

    device = choose_device(config.device)
    scales = plan_scales(read_size(content), read_size(style), config)
    table = Table("scale", "painting", "style", "evaluations", "memory")
    for number, scale in enumerate(scales, start=1):
        sizes = (f"{width} × {height}" for width, height in (scale.size, scale.style_size))
        memory = f"about {memory_needed(scale.size, config) / 2**30:.1f} GiB"
        table.add_row(f"{number}/{len(scales)}", *sizes, str(scale.evaluations), memory)
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"Would paint {content} in the style of {style} into {output}")
    console.print(f"with {config.arch} ({config.weights}), {config.optimizer}, from {config.init}, on {device}")
    console.print(table)


if __name__ == "__main__":
    app()
