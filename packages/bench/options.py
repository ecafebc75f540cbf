"""Options of the command line."""

import math
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from core.config.options import options_of
from core.config.transfer_config import TransferConfig


def _limited(option: str, *names: str, help: str) -> Any:
    """Return an integer option with the limits of an option of `TransferConfig`, whose errors have another name."""
    described = options_of(TransferConfig)[option]
    maximum = described.maximum if math.isfinite(described.maximum) else None
    return typer.Option(*names, min=described.minimum, max=maximum, metavar=described.metavar, help=help)


BaseResults = Annotated[Path, typer.Argument(metavar="BASE", help="Result file of the base.")]
NewResults = Annotated[Path, typer.Argument(metavar="NEW", help="Result file of the new version.")]
ReportedResults = Annotated[
    list[Path],
    typer.Argument(metavar="RESULTS", help="Result files of: python -m bench run, time-to-quality, quality or race."),
]
ReportFolder = Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Directory of the report.")]

# run
ResultFile = Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Result file to write, as JSON.")]
Quick = Annotated[bool, typer.Option("--quick", help="Small images only: minutes on two cores.")]
Full = Annotated[bool, typer.Option("--full", help="Everything, up to 16 megapixels: hours on a CPU.")]
SuiteDevice = Annotated[
    Literal["all", "cpu", "cuda"], typer.Option("--device", metavar="all|cpu|cuda", help="Device to measure.")
]
Suite = Annotated[
    str | None, typer.Option(metavar="NAME", help="Single suite to run: extractor, objective, startup, …")
]

# compare
FailAbove = Annotated[
    float, typer.Option(metavar="FLOAT", help="Largest allowed ratio of time or memory, NEW over BASE.")
]
By = Annotated[
    Literal["time", "share"],
    typer.Option(metavar="time|share", help="'share' normalises times by each machine's peak FLOP/s."),
]
AllowRemoved = Annotated[
    list[str] | None, typer.Option(metavar="NAME", help="Benchmark that may be missing from NEW; 'all' for any.")
]
ConfirmBase = Annotated[
    str | None, typer.Option(metavar="COMMAND", help="Command that runs benchmarks of BASE, to confirm regressions.")
]
ConfirmNew = Annotated[
    str | None,
    typer.Option(metavar="COMMAND", help="Command that runs benchmarks of NEW, to confirm regressions."),
]

# time-to-quality
Content = Annotated[Path, typer.Option("--content", "-c", metavar="FILE", help="Content image.")]
Style = Annotated[Path, typer.Option("--style", "-s", metavar="FILE", help="Style image.")]
OptionalResultFile = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Result file to write, as JSON.")
]
Size = Annotated[int, _limited("image_size", help="Maximum long side of the images, in pixels.")]
Evaluations = Annotated[int, typer.Option(metavar="INT", help="Evaluations of each baseline.")]
ToolkitEvaluations = Annotated[
    int | None,
    _limited(
        "iterations",
        "--toolkit-evaluations",
        "--our-evaluations",
        help="Evaluations of the toolkit, if not its default.",
    ),
]
ToolkitScales = Annotated[
    int,
    _limited("scales", "--toolkit-scales", "--our-scales", help="Number of scales of the toolkit; 0 for its default."),
]
Device = Annotated[
    Literal["auto", "cpu", "cuda", "mps"], typer.Option(metavar="auto|cpu|cuda|mps", help="Device of all programs.")
]
Seed = Annotated[int, typer.Option(metavar="INT", help="Random seed of the toolkit.")]
Baselines = Annotated[
    list[str] | None,
    typer.Option("--baseline", "--peer", metavar="NAME", help="Baseline to run; repeatable. All of them if not given."),
]
ImageFolder = Annotated[Path | None, typer.Option(metavar="DIR", help="Directory for the final image of each program.")]

# race
RaceFolder = Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Directory of the results.")]
Config = Annotated[
    str,
    typer.Option(metavar="CONFIG", help="Configuration: 'default', a preset, or a file as for core.transfer --config."),
]
RivalConfigs = Annotated[
    list[str] | None,
    typer.Option(
        "--rival",
        metavar="CONFIG",
        help="Rival: 'nnst', or as for --config; repeatable. johnson, crowson and nnst if none.",
    ),
]
RaceSize = Annotated[int, _limited("image_size", help="Long side of the pictures, in pixels.")]

# quality and tally
Contents = Annotated[Path, typer.Argument(metavar="CONTENTS", help="Directory of content images, or one image.")]
Styles = Annotated[Path, typer.Argument(metavar="STYLES", help="Directory of style images, or one image.")]
QualityFolder = Annotated[
    Path, typer.Option("--output", "-o", metavar="DIR", help="Directory of the pictures, sheets and measures.")
]
Configs = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CONFIG",
        help="Configuration to compare: 'default' (if none is given), a preset, or a file as for core.transfer "
        "--config; repeatable.",
    ),
]
Rivals = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=FOLDER",
        help="Pictures of another program, in files named CONTENT--STYLE.png or .jpg; repeatable.",
    ),
]
PairsFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="File whose lines name a content and a style, separated by a tab or comma. All pairs if not given.",
    ),
]
OrderSeed = Annotated[
    int, typer.Option(metavar="INT", help="Random seed of the order of the pictures on blind sheets.")
]
KeyFile = Annotated[Path, typer.Argument(metavar="KEY", help="Key of the sheets, from blind/keys.")]
AnswerFiles = Annotated[list[Path], typer.Argument(metavar="ANSWERS", help="Answers of one judge per file.")]

# machine
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
