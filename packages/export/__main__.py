"""The command line of the exported artifacts: `python -m export extractor -o extractor.onnx`."""

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from core.artifacts.manifest import Format, Manifest, Precision, read_manifest
from core.cli.command import Command
from core.cli.config_file import resolve_config
from core.cli.errors import report_errors
from core.cli.options import config_options
from core.config.transfer_config import TransferConfig
from core.errors import UsageError
from core.files import check_writable, sha256_of
from export.runtime import run

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Write artifacts that other programs can deploy, prove them equal to PyTorch, and run them without it.",
)

Artifact = Annotated[Path, typer.Argument(metavar="FILE", help="An artifact that this program wrote.")]
Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="FILE", help="Where the artifact goes.", show_default=False)
]
Checksum = Annotated[bool, typer.Option("--sha256/--no-sha256", help="Print its SHA-256 and keep it in FILE.sha256.")]

FORMATS: dict[str, Format] = {".pt": "torchscript", ".onnx": "onnx", ".pt2": "pt2"}
PLAIN_WIDTH = 120
"""Columns of a table where there is no terminal to ask."""

NETWORK = ("arch", "weights", "weights_preprocessing", "pooling")
"""The options of a painting that make its network what it is."""

LAYERS = ("content_layers", "style_layers")
"""Those that say what its objective compares."""


@app.command()
@config_options(*(option.name for option in fields(TransferConfig) if option.name not in NETWORK))
def extractor(
    output: Output,
    format: Annotated[Format | None, typer.Option(help="What to write.", show_default="by the name of FILE")] = None,
    taps: Annotated[
        str | None,
        typer.Option(metavar="LAYER[,…]", help="The layers it returns.", show_default="those a painting uses"),
    ] = None,
    precision: Annotated[Precision, typer.Option(help="fp16 stores the weights in half the space.")] = "fp32",
    sha256: Checksum = True,
    **options: Any,
) -> None:
    """Write the feature extractor: an image in, its features at the chosen layers out.

    The image is RGB in [0, 1], (batch, 3, height, width), any batch and any size from 16 x 16 on. Nothing is
    written unless it equals PyTorch's own float64 to within rounding.
    """
    with report_errors():
        config, _ = resolve_config(options)
        kind = format or _format_by_name(output)
        check_writable(output, inputs=(config.weights,))
        from core.network.weights import load_weights
        from export.extractor import export_extractor

        weights = load_weights(config.arch, config.weights, config.weights_preprocessing, progress=True)
        names = taps.split(",") if taps is not None else (*config.style_layers, *config.content_layers)
        manifest = export_extractor(
            output, weights, names, format=kind, pooling=config.pooling, precision=precision, checksum=sha256
        )
        announce(output, manifest, sha256)


@app.command()
@config_options(*(option.name for option in fields(TransferConfig) if option.name not in (*NETWORK, *LAYERS)))
def objective(output: Output, sha256: Checksum = True, **options: Any) -> None:
    """Write the whole objective as one ONNX graph: image, targets and weights in, loss and gradient out.

    It holds the network for the layers named, takes pictures of any size, and needs standard operators only.
    Nothing is written unless it equals PyTorch to within rounding.
    """
    with report_errors():
        config, _ = resolve_config(options)
        if _format_by_name(output) != "onnx":
            raise UsageError(f"an objective is an ONNX file and {output} is not named like one: end it in .onnx")
        check_writable(output, inputs=(config.weights,))
        from core.network.weights import load_weights
        from export.objective.graph import export_objective

        weights = load_weights(config.arch, config.weights, config.weights_preprocessing, progress=True)
        layers = (config.content_layers, config.style_layers)
        announce(output, export_objective(output, weights, *layers, pooling=config.pooling, checksum=sha256), sha256)


app.command(cls=Command)(run)


@app.command()
def verify(
    artifact: Artifact,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="WEIGHTS", help="The weights of the network to compare with.", show_default="those it was made from"
        ),
    ] = None,
    weights_preprocessing: Annotated[
        str | None, typer.Option(help="What input these weights expect, where a file does not say.", show_default=False)
    ] = None,
) -> None:
    """Compare an artifact with eager PyTorch, in float32 and float64, at sizes even and odd.

    Exits with status 1, naming the worst figure, if it is out of bounds.
    """
    with report_errors():
        read_manifest(artifact)
        from export.verify.extractor import verify as compare

        report = compare(artifact, against=against, preprocessing=weights_preprocessing)
        _console().print(report.table())
        report.require_passed(artifact)


@app.command()
def inspect(
    artifact: Artifact,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON, for programs.")] = False,
) -> None:
    """Print what an artifact says of itself, without running anything in it."""
    with report_errors():
        manifest = read_manifest(artifact)
        if as_json:
            typer.echo(json.dumps(asdict(manifest), indent=1))
        else:
            _console().print(_described(artifact, manifest))


@app.command()
def web(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Where the page goes.", show_default=False)
    ],
    objective: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="What it paints with, an objective.", show_default="written for the default network"
        ),
    ] = None,
    onnxruntime_web: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The npm package onnxruntime-web.", show_default="npm fetches it"),
    ] = None,
    examples: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Pictures to offer: a folder with the folders content and style."),
    ] = None,
) -> None:
    """Write a page that paints entirely in the visitor's browser.

    It is static: any web server can serve it, and so can `serve`.
    """
    with report_errors():
        from export.web.page import size_of, write_page

        write_page(output, objective, runtime=onnxruntime_web, examples=examples)
        typer.echo(f"{output}: a page, {size_of(output)}; look at it with python -m export serve {output}")


@app.command()
def serve(
    page: Annotated[Path, typer.Argument(metavar="DIR", help="A page that `web` wrote.")],
    port: Annotated[int, typer.Option(help="Where it listens; 0 for any free port.")] = 8000,
) -> None:
    """Serve a page to this machine alone, with the headers that its threads need, until Ctrl-C."""
    with report_errors():
        from export.web.server import serve as serve_page

        serve_page(page, port, typer.echo)


def announce(path: Path, manifest: Manifest, sha256: bool) -> None:
    """Say what was written: the size, how exact it is, and the checksum as sha256sum prints it."""
    size = path.stat().st_size / 1e6
    exact = ", ".join(
        f"{quantity} {figures['relative_l2']:.1e}"
        for quantity, figures in manifest.parity.items()
        if quantity != "against"
    )
    typer.echo(f"{path}: {manifest.kind}, {manifest.format} {manifest.precision}, {size:.1f} MB; from float64: {exact}")
    if sha256:
        typer.echo(f"{sha256_of(path)}  {path.name}")


def _console() -> Console:
    """The terminal, or lines wide enough for a table where there is none."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PLAIN_WIDTH)


def _format_by_name(path: Path) -> Format:
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"the name {path.name} does not say a format: add --format, or end it in {', '.join(FORMATS)}")
    return FORMATS[path.suffix.lower()]


def _described(path: Path, manifest: Manifest) -> Table:
    table = Table("", str(path))
    for name, value in asdict(manifest).items():
        if value not in ((), {}, None):
            table.add_row(name, _shown(value))
    return table


def _shown(value: Any, between: str = "\n") -> str:
    """A value of a manifest for people: a line for each entry of a mapping, small figures to two digits."""
    if isinstance(value, dict):
        return between.join(f"{key}: {_shown(entry, ', ')}" for key, entry in value.items())
    if isinstance(value, tuple):
        return ", ".join(value)
    return f"{value:.2g}" if isinstance(value, float) and abs(value) < 0.01 else str(value)


if __name__ == "__main__":
    app()
