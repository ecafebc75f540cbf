"""`python -m export run`: style transfer from two ONNX artifacts, with NumPy, Pillow and ONNX Runtime only."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from core.artifacts.lookup import network_options
from core.artifacts.manifest import Manifest, read_manifest
from core.cli.config_file import read_options, resolve_config
from core.cli.errors import report_errors
from core.cli.input_files import warn_of_changes, warn_of_replaced_styles
from core.cli.options import (
    ConfigFile,
    ContentPath,
    Cuda,
    Effort,
    Epochs,
    OutputPath,
    Preset,
    ProgressStyle,
    Quiet,
    RecordPath,
    Regions,
    StyleMasks,
    StylePaths,
    config_options,
)
from core.cli.run import resolve_paths, run_to_files
from core.config.exported_losses import exported_style_losses
from core.config.transfer_config import TransferConfig
from core.errors import UsageError
from core.image.opening import allow_large_images

FIXED_OPTIONS = (
    "arch",
    "weights",
    "weights_preprocessing",
    "pooling",
    "content_layers",
    "content_detail",
    "style_layers",
    "style_loss",
    "extractor",
    "objective",
    "painter",
    "max_memory",
    "tile_size",
)
"""The options of `TransferConfig` that the artifacts determine."""


@config_options(*FIXED_OPTIONS, style_losses=partial(exported_style_losses, "objective"))
def run(
    objective: Annotated[Path, typer.Argument(metavar="OBJECTIVE", help="Artifact of: python -m export objective.")],
    extractor: Annotated[
        Path, typer.Argument(metavar="EXTRACTOR", help="Artifact of: python -m export extractor --format onnx.")
    ],
    content: ContentPath = None,
    style: StylePaths = None,
    region: Regions = None,
    style_mask: StyleMasks = None,
    output: OutputPath = None,
    config: ConfigFile = None,
    preset: Preset = None,
    effort: Effort = None,
    record: RecordPath = None,
    epochs: Epochs = None,
    cuda: Cuda = False,
    quiet: Quiet = False,
    progress: ProgressStyle = "auto",
    **options: Any,
) -> None:
    """Run style transfer with exported artifacts, without PyTorch.

    The artifacts determine the network and the layers; a --region needs an objective exported with --regions. Ctrl-C
    ends the run and writes the best image so far.
    """
    with report_errors(), allow_large_images():
        manifest = read_manifest(objective, kind="objective")
        _require_onnx(extractor)
        options |= {"objective": str(objective), "extractor": str(extractor)}
        options |= _options_from_manifest(manifest, read_options(config, preset=preset, effort=effort))
        configuration, named = resolve_config(
            options, preset=preset, effort=effort, config_file=config, epochs=epochs, cuda=cuda
        )
        paths = resolve_paths(
            content,
            style,
            region,
            output,
            named,
            configuration,
            style_masks=style_mask,
            record=record,
            config_file=config,
        )
        if not quiet:
            warn_of_changes(named, paths.inputs)
            warn_of_replaced_styles(named, style, paths.styles)
        run_to_files(paths, configuration, quiet=quiet, progress=progress)


def _options_from_manifest(manifest: Manifest, requested: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that the objective determines, except the ones that a preset or file sets (`requested`).

    Raises:
        UsageError: A requested option differs from the objective.
    """
    exported = network_options(manifest)
    overrides = {name: value for name, value in requested.items() if name in exported}
    config = TransferConfig.from_options(exported | overrides)
    # `OnnxBackend` compares the weights, which may have several names.
    for name in ("arch", "pooling", "content_layers", "content_detail", "style_layers", "style_loss"):
        if not _same_option(exported[name], getattr(config, name)):
            raise UsageError(
                f"the objective was exported with {name.replace('_', ' ')} {_as_text(exported[name])}, and the preset "
                f"or file sets {_as_text(getattr(config, name))}: use another preset or file, or another objective"
            )
    return {name: value for name, value in exported.items() if name not in requested}


def _same_option(exported: Any, configured: Any) -> bool:
    """Return whether two option values are equal; the order of layers is ignored."""
    if isinstance(exported, tuple):
        return set(exported) == set(configured)
    return bool(exported == configured)


def _as_text(value: str | float | Sequence[str]) -> str:
    return str(value) if isinstance(value, str | float) else ", ".join(value)


def _require_onnx(extractor: Path) -> None:
    if read_manifest(extractor, kind="extractor").format != "onnx":
        raise UsageError(f"{extractor} needs PyTorch: write one with python -m export extractor --format onnx")
