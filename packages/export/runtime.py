"""Paints from two ONNX artifacts with NumPy, Pillow and ONNX Runtime alone: `python -m export run`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from core.artifacts.manifest import Manifest, read_manifest
from core.cli.config_file import read_options, resolve_config
from core.cli.errors import report_errors
from core.cli.options import (
    ConfigFile,
    ContentPath,
    Cuda,
    Epochs,
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
from core.config.presets import preset_options
from core.config.transfer_config import TransferConfig
from core.errors import UsageError
from core.image.reading import allow_large_images

SETTLED = (
    "arch",
    "weights",
    "weights_preprocessing",
    "pooling",
    "content_layers",
    "style_layers",
    "style_loss",
    "extractor",
    "objective",
    "max_memory",
    "tile_size",
)
"""The options of a painting that the artifacts leave no choice of."""


@config_options(*SETTLED, "objective", "extractor")
def run(
    objective: Annotated[Path, typer.Argument(help="Written by: python -m export objective.")],
    extractor: Annotated[Path, typer.Argument(help="Written by: python -m export extractor --format onnx.")],
    content: ContentPath = None,
    style: StylePaths = None,
    region: Regions = None,
    output: OutputPath = None,
    config: ConfigFile = None,
    preset: Preset = None,
    record: RecordPath = None,
    epochs: Epochs = None,
    cuda: Cuda = False,
    quiet: Quiet = False,
    progress: ProgressStyle = "auto",
    **options: Any,
) -> None:
    """Paint from exported artifacts, without PyTorch.

    The network and the layers are those of the artifacts. Ctrl-C ends the run and delivers the best picture so
    far.
    """
    with report_errors(), allow_large_images():
        manifest = read_manifest(objective, kind="objective")
        _check_needs_no_torch(extractor)
        options |= {"objective": str(objective), "extractor": str(extractor)}
        options |= _settled(manifest, _said(preset, config))
        choices, pictures = resolve_config(options, preset=preset, config_file=config, epochs=epochs, cuda=cuda)
        job = resolve_paths(content, style, region, output, pictures, choices, record=record)
        run_to_files(job, choices, quiet=quiet, progress=progress)


def _said(preset: str | None, config_file: Path | None) -> dict[str, Any]:
    """The options that a preset and a file give."""
    return (preset_options(preset) if preset else {}) | (read_options(config_file) if config_file else {})


def _settled(manifest: Manifest, said: Mapping[str, Any]) -> dict[str, Any]:
    """The options that the objective settles, but those that a preset or a file gives as well.

    Raises:
        UsageError: They ask for another network or other layers than the objective was made for.
    """
    held = {
        "arch": manifest.arch,
        "weights": manifest.weights["source"],
        "weights_preprocessing": manifest.preprocessing,
        "pooling": manifest.pooling,
        "content_layers": manifest.content_taps,
        "style_layers": manifest.style_taps,
        "style_loss": "gram",
    }
    asked = TransferConfig.from_options(held | {name: value for name, value in said.items() if name in held})
    for name in ("arch", "pooling", "content_layers", "style_layers", "style_loss"):
        # Of layers the order is free; the engine compares the weights, which go by several names.
        ours, theirs = held[name], getattr(asked, name)
        if ours != theirs and not ("layers" in name and set(ours) == set(theirs)):
            ours, theirs = (value if isinstance(value, str) else ", ".join(value) for value in (ours, theirs))
            raise UsageError(
                f"the objective has the {name.replace('_', ' ')} {ours}, and the preset or file asks for {theirs}: "
                "use another one, or export an objective for it"
            )
    return {name: value for name, value in held.items() if name not in said}


def _check_needs_no_torch(extractor: Path) -> None:
    if read_manifest(extractor, kind="extractor").format != "onnx":
        raise UsageError(f"{extractor} needs PyTorch: write one with python -m export extractor --format onnx")
