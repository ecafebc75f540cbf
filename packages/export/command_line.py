"""Option types and console output that the commands of `python -m export` share."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from rich.table import Table

from core.artifacts.content import State
from core.artifacts.manifest import Format, Kind, Manifest, OutputType, Precision, checksum_path
from core.cli.terminal import cell, make_console, plain, print_line
from core.config.transfer_config import TransferConfig
from core.errors import UsageError
from core.files import check_writable, sha256_of
from export.options import FORMATS, MIN_OPSET, ExportOptions, format_spec, parse_batch, parse_size

ArtifactPath = Annotated[Path, typer.Argument(metavar="FILE", help="An artifact that this program wrote.")]
OutputPath = Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Output file.", show_default=False)]
Checksum = Annotated[bool, typer.Option("--sha256/--no-sha256", help="Print the SHA-256 and write it to FILE.sha256.")]
FileFormat = Annotated[
    Format | None,
    typer.Option(
        "--format", metavar="|".join(get_args(Format)), help="File format.", show_default="by the suffix of FILE"
    ),
]
Taps = Annotated[
    str | None,
    typer.Option(metavar="LAYER[,…]", help="Layers to return.", show_default="the default content and style layers"),
]
NumberType = Annotated[
    Precision,
    typer.Option(
        "--precision",
        metavar="|".join(get_args(Precision)),
        help="Number type of the weights: fp16 halves the file; int8 is for ONNX only, and loses accuracy.",
    ),
]
Opset = Annotated[
    int | None, typer.Option(help="Opset of an ONNX file, at least 18.", show_default=str(MIN_OPSET), metavar="INT")
]
Palette = Annotated[
    bool | None,
    typer.Option(
        "--palette/--no-palette",
        help="Store the weights of an ONNX file as bytes, without loss: a quarter of the size, but most converters "
        "cannot read it.",
        show_default="--palette, except for an extractor",
    ),
]
FixedSize = Annotated[
    str | None,
    typer.Option(
        "--size",
        metavar="HxW",
        help="Fixed height and width of images, in pixels.",
        show_default="any",
    ),
]
Batch = Annotated[
    str | None,
    typer.Option(
        metavar="INT|dynamic", help="Batch size, or 'dynamic'.", show_default="dynamic, or 1 if --size is given"
    ),
]
RegionsInput = Annotated[
    bool,
    typer.Option("--regions", help="Add mask inputs and one style target per region."),
]
Outputs = Annotated[
    OutputType | None,
    typer.Option(
        "--outputs",
        metavar="|".join(get_args(OutputType)),
        help="What a PyTorch program returns: a dictionary by layer, or a tuple in network order for converters.",
        show_default="dict",
    ),
]

NETWORK_OPTIONS = ("arch", "weights", "weights_preprocessing", "pooling")
"""The options of `TransferConfig` that determine the network."""

LOSS_OPTIONS = ("content_layers", "content_detail", "style_layers", "style_loss")
"""The options of `TransferConfig` that determine the losses of the objective."""

_WIDTH_WITHOUT_TERMINAL = 130


def format_of(path: Path) -> Format:
    """Return the artifact format for the suffix of `path`, the longest that fits.

    Raises:
        UsageError: The name has another suffix.
    """
    formats = {spec.suffix: spec.format for spec in FORMATS}
    found = [suffix for suffix in formats if path.name.lower().endswith(suffix)]
    if not found:
        raise UsageError(
            f"cannot infer the format from the name {path.name}: add --format, or end it in {', '.join(formats)}"
        )
    return formats[max(found, key=len)]


def export_options(
    kind: Kind,
    format: Format,
    *,
    precision: Precision = "fp32",
    opset: int | None,
    palette: bool | None,
    size: str | None,
    batch: str | None = None,
    outputs: OutputType | None = None,
) -> ExportOptions:
    """Return the options of an artifact, None where one is not given.

    Raises:
        UsageError: A value is out of range, or does not apply to the format.
    """
    default_batch = None if size is None or kind == "objective" else 1
    options = ExportOptions(
        opset=MIN_OPSET if opset is None else opset,
        palette=palette,
        size=None if size is None else parse_size(size),
        batch=default_batch if batch is None else parse_batch(batch),
        outputs=outputs or "dict",
    )
    format_spec(kind, format).check(options, precision)
    return options


def check_outputs(path: Path, config: TransferConfig) -> None:
    """Check that an artifact and its checksum file can be written, and replace no file of weights.

    Raises:
        UsageError: One of them cannot be written.
    """
    for output in (path, checksum_path(path)):
        check_writable(output, inputs=tuple(config.files.values()))


def print_written(path: Path, manifest: Manifest, sha256: bool) -> None:
    """Print size, accuracy and, with `sha256`, the checksum of an artifact in the format of sha256sum."""
    size = path.stat().st_size / 1e6
    errors = ", ".join(
        f"{quantity} {metrics['relative_l2']:.1e}"
        for quantity, metrics in manifest.parity.items()
        if isinstance(metrics, Mapping)
    )
    artifact = f"{manifest.kind}, {manifest.format} {manifest.precision}, {size:.1f} MB"
    print_line(f"{path}: {artifact}; relative error against float64: {errors}")
    if sha256:
        print_line(f"{sha256_of(path)}  {path.name}")


def print_table(table: Table) -> None:
    """Print a table on stdout, as wide as the terminal if there is one."""
    console = make_console()
    if not console.is_terminal:
        console.width = _WIDTH_WITHOUT_TERMINAL
    console.print(table, soft_wrap=False)


STATES: Mapping[State, str] = {
    "unchanged": "unchanged since the export",
    "changed": "changed by another program since the export: the manifest describes the exported file, not this one",
    "unknown": "unknown: the manifest contains no hash of the graph or program",
}
"""What `inspect` and `verify` print about the content of a file."""


def manifest_table(path: Path, manifest: Manifest, state: State) -> Table:
    """Return the state of an artifact and the non-empty fields of its manifest as a table."""
    table = Table("", plain(path))
    table.add_row("content", STATES[state])
    for name, value in asdict(manifest).items():
        if value not in ((), {}, None, ""):
            table.add_row(name, cell(_format_value(value)))
    return table


def formats_table() -> Table:
    """Return all artifacts with their formats, options and runtimes as a table."""
    table = Table("artifact", "format", "file", "options", "gradients", "runs in", show_lines=True)
    for spec in FORMATS:
        precisions = "|".join(spec.precisions)
        options = [f"{flag} {precisions}" if flag == "--precision" else flag for flag in spec.options]
        name = f"*{spec.suffix}"
        table.add_row(*map(plain, (spec.kind, spec.format, name, ", ".join(options), spec.gradients, spec.runtimes)))
    return table


def _format_value(value: Any, separator: str = "\n") -> str:
    """Format a manifest value: one line per entry of a mapping, two significant digits for small numbers."""
    if isinstance(value, dict):
        return separator.join(f"{key}: {_format_value(entry, ', ')}" for key, entry in value.items())
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return f"{value:.2g}" if isinstance(value, float) and abs(value) < 0.01 else str(value)
