"""Paints from two ONNX artifacts with NumPy, Pillow and ONNX Runtime alone: `python -m export run`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from core.cli import choose_files, config_options, one_sentence, paint_to_file, resolve
from core.config import TransferConfig
from core.errors import UsageError
from core.manifest import Manifest, read_manifest
from core.presets import PRESETS, preset_options
from core.record import read_options

SETTLED = (
    "arch",
    "weights",
    "weights_preprocessing",
    "pooling",
    "content_layers",
    "style_layers",
    "style_statistic",
    "extractor",
    "objective",
)
"""The options of a painting that the artifacts leave no choice of."""


@config_options(*SETTLED, "objective", "extractor")
def run(
    objective: Annotated[Path, typer.Argument(help="Written by: python -m export objective.")],
    extractor: Annotated[Path, typer.Argument(help="Written by: python -m export extractor --format onnx.")],
    content: Annotated[Path | None, typer.Option("--content", "-c", help="The photograph.")] = None,
    style: Annotated[Path | None, typer.Option("--style", "-s", help="The picture to paint it like.")] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Where the painting goes; its ending chooses the format.",
            show_default="CONTENT-STYLE.png here",
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Options from a TOML file, a record, or a painting that carries one.")
    ] = None,
    preset: Annotated[str | None, typer.Option(help="Defaults of: " + ", ".join(PRESETS) + ".")] = None,
    record: Annotated[Path | None, typer.Option(help="Write how it was painted, as JSON.")] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Length in epochs of 20 evaluations.", rich_help_panel="Optimiser")
    ] = None,
    cuda: Annotated[bool, typer.Option("--cuda", help="Same as --device cuda.", rich_help_panel="Machine")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
    progress: Annotated[
        Literal["auto", "json"], typer.Option(help="'json' prints a line for every step, for programs.")
    ] = "auto",
    **options: Any,
) -> None:
    """Paint from exported artifacts, without PyTorch.

    The network and the layers are those of the artifacts. Ctrl-C ends the run and delivers the best picture so
    far.
    """
    with one_sentence():
        manifest = read_manifest(objective, kind="objective")
        _check_needs_no_torch(extractor)
        options |= {"objective": str(objective), "extractor": str(extractor)}
        options |= _settled(manifest, _said(preset, config))
        choices, pictures = resolve(options, preset=preset, config_file=config, epochs=epochs, cuda=cuda)
        job = choose_files(content, style, output, pictures, choices, record=record)
        paint_to_file(job, choices, record=record, quiet=quiet, progress=progress)


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
        "style_statistic": "gram",
    }
    asked = TransferConfig.from_options(held | {name: value for name, value in said.items() if name in held})
    for name in ("arch", "pooling", "content_layers", "style_layers", "style_statistic"):
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
