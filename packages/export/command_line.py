"""Option types and console output that the commands of `python -m export` share."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from core.artifacts.manifest import Format, Manifest, checksum_path
from core.cli.terminal import cell, make_console, plain, print_line
from core.config.transfer_config import TransferConfig
from core.errors import UsageError
from core.files import check_writable, sha256_of

ArtifactPath = Annotated[Path, typer.Argument(metavar="FILE", help="An artifact that this program wrote.")]
OutputPath = Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Output file.", show_default=False)]
Checksum = Annotated[bool, typer.Option("--sha256/--no-sha256", help="Print the SHA-256 and write it to FILE.sha256.")]

NETWORK_OPTIONS = ("arch", "weights", "weights_preprocessing", "pooling")
"""The options of `TransferConfig` that determine the network."""

LAYER_OPTIONS = ("content_layers", "style_layers")
"""The options of `TransferConfig` that determine the layers of the objective."""

_FORMATS: dict[str, Format] = {".pt": "torchscript", ".onnx": "onnx", ".pt2": "pt2"}

_WIDTH_WITHOUT_TERMINAL = 120


def format_of(path: Path) -> Format:
    """Return the artifact format for the suffix of `path`; raise UsageError for any other suffix."""
    if path.suffix.lower() not in _FORMATS:
        raise UsageError(
            f"cannot infer the format from the name {path.name}: add --format, or end it in {', '.join(_FORMATS)}"
        )
    return _FORMATS[path.suffix.lower()]


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


def manifest_table(path: Path, manifest: Manifest) -> Table:
    """Return the non-empty fields of a manifest as a table."""
    table = Table("", plain(path))
    for name, value in asdict(manifest).items():
        if value not in ((), {}, None):
            table.add_row(name, cell(_format_value(value)))
    return table


def _format_value(value: Any, separator: str = "\n") -> str:
    """Format a manifest value: one line per entry of a mapping, two significant digits for small numbers."""
    if isinstance(value, dict):
        return separator.join(f"{key}: {_format_value(entry, ', ')}" for key, entry in value.items())
    if isinstance(value, tuple):
        return ", ".join(value)
    return f"{value:.2g}" if isinstance(value, float) and abs(value) < 0.01 else str(value)
