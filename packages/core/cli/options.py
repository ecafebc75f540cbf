"""What the command lines share: options taken from the configuration, and errors in one sentence."""

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from core.config.options import Option, options_of
from core.config.presets import PRESETS
from core.config.transfer_config import TransferConfig

ContentPath = Annotated[
    Path | None,
    typer.Option("--content-image-path", "--content", "-c", help="The photograph.", show_default=False),
]
StylePaths = Annotated[
    list[str] | None,
    typer.Option(
        "--style-image-path",
        "--style",
        "-s",
        metavar="FILE[@X,Y,W,H][:WEIGHT]",
        help="The picture, or folder of pictures, to paint it like; several are mixed by their weights.",
        show_default=False,
    ),
]
Regions = Annotated[
    list[str] | None,
    typer.Option(
        "--region",
        metavar="MASK=STYLE",
        help="Where a style is wanted: white in the mask. Where no style is, the photograph stays.",
        show_default=False,
    ),
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
ConfigFile = Annotated[
    Path | None,
    typer.Option(help="Options from a TOML file, a record, or a painting that carries one.", show_default=False),
]
Preset = Annotated[str | None, typer.Option(help=f"Defaults of: {', '.join(PRESETS)}.", show_default=False)]
RecordPath = Annotated[Path | None, typer.Option(help="Write how it was painted, as JSON.", show_default=False)]
CheckpointPath = Annotated[
    Path | None,
    typer.Option(
        "--checkpoint",
        help="Keep the run in this file: if it is interrupted or killed, the same command goes on from there.",
        show_default=False,
    ),
]
FilmPath = Annotated[
    Path | None,
    typer.Option(
        "--film",
        help="Show how the painting came about, in a .webp or .mp4 file: every step, or one every --save-every. Of a "
        "run that goes on from a checkpoint, from there.",
        show_default=False,
    ),
]
FilmFps = Annotated[float, typer.Option(help="Frames of the film a second.")]
CheckpointEvery = Annotated[float, typer.Option(help="Seconds from one checkpoint to the next.")]
Epochs = Annotated[
    int | None,
    typer.Option(help="Length in epochs of 20 evaluations.", rich_help_panel="Optimiser", show_default=False),
]
Cuda = Annotated[bool, typer.Option("--cuda", help="Same as --device cuda.", rich_help_panel="Machine")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
ProgressStyle = Annotated[
    Literal["auto", "json"], typer.Option("--progress", help="'json' prints a line for every step, for programs.")
]


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
        shared = [_parameter(option) for name, option in options_of(TransferConfig).items() if name not in left_out]
        wrapper.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]
        wrapper.__annotations__ = {p.name: p.annotation for p in (*own, *shared)}
        return wrapper

    return decorate


def _parameter(option: Option) -> inspect.Parameter:
    default = "" if option.default is None else f" \\[default: {option.format(option.default)}]"
    info = typer.Option(
        option.flag,
        help=option.help + default,  # Typer would put a default of its own in unescaped brackets
        rich_help_panel=option.group,
        metavar=option.metavar,
        show_default=False,
    )
    annotation = Annotated[str | None, info]
    return inspect.Parameter(option.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
