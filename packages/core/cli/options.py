"""Options of the command lines: flags for files and display, and one option per field of `TransferConfig`."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import update_wrapper
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from core.config.options import Option, options_of
from core.config.presets import EFFORT_HELP, EFFORTS, EVALUATIONS_PER_EPOCH, PRESETS
from core.config.style_losses import style_loss_help, style_loss_names, style_weight_help
from core.config.transfer_config import TransferConfig

COMMON_PANEL = "Common options"
FILES_PANEL = "Checkpoint, record and video"
COMMON_OPTIONS = ("image_size", "strength", "style_scale", "preserve_color", "iterations", "init")
"""Fields of `TransferConfig` that the help lists first; it lists the others by their groups."""

ContentPath = Annotated[
    Path | None,
    typer.Option("--content", "-c", metavar="FILE", help="Content image.", show_default=False),
]
StylePaths = Annotated[
    list[str] | None,
    typer.Option(
        "--style",
        "-s",
        metavar="FILE[@X,Y,W,H][:WEIGHT]",
        help="Style image or directory of style images; @X,Y,W,H crops it. Repeatable; styles are blended by WEIGHT.",
        show_default=False,
    ),
]
Regions = Annotated[
    list[str] | None,
    typer.Option(
        "--region",
        metavar="MASK=STYLE",
        help="Apply STYLE, a file or the number of a --style, where MASK is white; black areas keep the content image. "
        "Repeatable. A --style without a region applies to the whole image.",
        show_default=False,
    ),
]
StyleMasks = Annotated[
    list[str] | None,
    typer.Option(
        "--style-mask",
        metavar="MASK=STYLE",
        help="Use only the part of STYLE, a file or the number of a --style, where MASK is white. Repeatable.",
        show_default=False,
    ),
]
OutputPath = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Output file; the format follows the extension. \\[default: CONTENT-STYLE.png]",
        show_default=False,
    ),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Read options from a TOML file, a run record, or an image that contains its run record.",
        show_default=False,
    ),
]
Preset = Annotated[
    str | None,
    typer.Option(metavar="NAME", help=f"Use the defaults of {', '.join(PRESETS)}.", show_default=False),
]
Effort = Annotated[
    str | None,
    typer.Option(metavar="|".join(EFFORTS), help=EFFORT_HELP, rich_help_panel=COMMON_PANEL, show_default=False),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the execution plan without running it.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
ProgressStyle = Annotated[
    Literal["auto", "json"],
    typer.Option(
        "--progress", metavar="auto|json", help="Progress display; 'json' prints one JSON object per step on stdout."
    ),
]

CheckpointPath = Annotated[
    Path | None,
    typer.Option(
        "--checkpoint",
        metavar="FILE",
        help="Checkpoint file. If the run is interrupted, the same command resumes from it.",
        rich_help_panel=FILES_PANEL,
        show_default=False,
    ),
]
CheckpointEvery = Annotated[
    float, typer.Option(metavar="SECONDS", help="Time between checkpoints.", rich_help_panel=FILES_PANEL)
]
RecordPath = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Write the run record (config, versions, checksums, losses) as JSON.",
        rich_help_panel=FILES_PANEL,
        show_default=False,
    ),
]
VideoPath = Annotated[
    Path | None,
    typer.Option(
        "--video",
        metavar="FILE",
        help="Write a video of the optimisation (.webp or .mp4), one frame per step or per --save-every. "
        "A resumed run records only the steps after the resume.",
        rich_help_panel=FILES_PANEL,
        show_default=False,
    ),
]
VideoFps = Annotated[
    float, typer.Option(metavar="FLOAT", help="Frames per second of the video.", rich_help_panel=FILES_PANEL)
]

Epochs = Annotated[
    int | None,
    typer.Option(
        metavar="INT",
        help=f"Length of the run in epochs of {EVALUATIONS_PER_EPOCH} evaluations, instead of --iterations.",
        rich_help_panel=COMMON_PANEL,
        show_default=False,
    ),
]
Cuda = Annotated[bool, typer.Option("--cuda", help="Same as --device cuda.", rich_help_panel="Machine")]

BatchContents = Annotated[
    list[str] | None,
    typer.Option(
        "--content",
        "-c",
        metavar="PATTERN",
        help="Content images: file, directory or glob. Repeatable.",
        show_default=False,
    ),
]
BatchStyles = Annotated[
    list[str] | None,
    typer.Option(
        "--style",
        "-s",
        metavar="PATTERN",
        help="Style images: file, directory or glob. Repeatable.",
        show_default=False,
    ),
]
BatchOutput = Annotated[
    Path,
    typer.Option("--output", "-o", metavar="DIR", help="Output directory; files are named CONTENT-STYLE.png."),
]
Sweeps = Annotated[
    list[str] | None,
    typer.Option(
        "--sweep",
        metavar="OPTION=VALUE,…",
        help="Run with each value of an option, e.g. strength=0.2,0.5. Repeatable; all combinations are run.",
        show_default=False,
    ),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Skip outputs that already exist with the same inputs and options.")
]
ContactSheet = Annotated[
    Path | None,
    typer.Option(
        "--contact-sheet",
        metavar="FILE",
        help="Write a contact sheet (grid) of all results.",
        show_default=False,
    ),
]


def config_options(
    *excluded: str, style_losses: Callable[[], Sequence[str]] = style_loss_names
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that adds one option per field of `TransferConfig` to a command.

    The help lists the parameters of the command first, then common options, then the groups of `TransferConfig`.
    The command receives the values in its keyword arguments, as text, None where an option is not given.
    `TransferConfig` parses and checks them, so that the command line, a file and a program get the same errors.

    Args:
        excluded: Fields that get no option.
        style_losses: Returns the names of the style losses that the help lists.
    """
    return lambda command: _ConfigurableCommand(command, excluded, style_losses)


class _ConfigurableCommand:
    """A command function whose signature, which Typer reads, includes the options.

    Typer reads the signature when the app is called, so an option may depend on what was registered until then.
    """

    def __init__(
        self, command: Callable[..., None], excluded: tuple[str, ...], style_losses: Callable[[], Sequence[str]]
    ) -> None:
        self._command, self._excluded, self._style_losses = command, excluded, style_losses
        update_wrapper(self, command)

    def __call__(self, **given: Any) -> None:
        self._command(**given)

    @property
    def __signature__(self) -> inspect.Signature:
        options = [
            self._described(one) for name, one in options_of(TransferConfig).items() if name not in self._excluded
        ]
        panels = [None, COMMON_PANEL, FILES_PANEL, *(option.group for option in options)]
        own = inspect.signature(self._command).parameters.values()
        parameters = [
            *map(_parameter, options),
            *(one.replace(kind=one.KEYWORD_ONLY) for one in own if one.kind is not one.VAR_KEYWORD),
        ]
        return inspect.Signature(sorted(parameters, key=lambda one: panels.index(_panel(one))))

    def _described(self, option: Option) -> Option:
        """Return an option with a help that lists only the style losses of the command."""
        helps = {"style_loss": style_loss_help, "style_weight": style_weight_help}
        return replace(option, help=helps[option.name](self._style_losses())) if option.name in helps else option


def _panel(parameter: inspect.Parameter) -> str | None:
    """Return the heading under which the help lists the parameter, None for the first list."""
    panel: str | None = parameter.annotation.__metadata__[0].rich_help_panel
    return panel


def _parameter(option: Option) -> inspect.Parameter:
    default = "" if option.default is None else f" \\[default: {option.format(option.default)}]"
    info = typer.Option(
        option.flag,
        help=option.help + default,  # Typer would put a default of its own in unescaped brackets
        rich_help_panel=COMMON_PANEL if option.name in COMMON_OPTIONS else option.group,
        metavar=option.metavar,
        show_default=False,
    )
    annotation = Annotated[str | None, info]
    return inspect.Parameter(option.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
