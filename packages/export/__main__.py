"""Commands of `python -m export`, such as `python -m export extractor -o extractor.onnx`."""

import json
from dataclasses import asdict, fields
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import typer

from core.artifacts.content import content_state
from core.artifacts.manifest import read_manifest
from core.artifacts.painter import PAINTER_OPTIONS, ImageFormat
from core.artifacts.runtimes import Execution
from core.cli.command import App
from core.cli.config_file import resolve_config
from core.cli.errors import report_errors
from core.cli.options import Effort, Preset, config_options
from core.cli.terminal import print_line
from core.config.exported_losses import check_exported, exported_style_losses
from core.config.options import options_of
from core.config.style_losses import DEFAULT_STYLE_LOSS
from core.config.transfer_config import RuntimeName, TransferConfig
from core.errors import UsageError
from core.installation import require_full
from export.command_line import (
    LOSS_OPTIONS,
    NETWORK_OPTIONS,
    STATES,
    ArtifactPath,
    Batch,
    Checksum,
    FileFormat,
    FixedSize,
    NumberType,
    Opset,
    OutputPath,
    Outputs,
    Palette,
    RegionsInput,
    Taps,
    check_outputs,
    export_options,
    format_of,
    formats_table,
    manifest_table,
    print_table,
    print_written,
)
from export.runtime import run
from export.web.examples import MAX_COUNT

_OPTIONS = options_of(TransferConfig)
_OPTIONS_OF_PAINTERS = (*NETWORK_OPTIONS, *LOSS_OPTIONS, *PAINTER_OPTIONS)

app = App(
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Export the network, the objective and the painter for other programs, verify the files, and run them without "
    "PyTorch.",
)


@app.command()
@config_options(*(option.name for option in fields(TransferConfig) if option.name not in NETWORK_OPTIONS))
def extractor(
    output: OutputPath,
    format: FileFormat = None,
    taps: Taps = None,
    precision: NumberType = "fp32",
    opset: Opset = None,
    palette: Palette = None,
    size: FixedSize = None,
    batch: Batch = None,
    outputs: Outputs = None,
    sha256: Checksum = True,
    **options: Any,
) -> None:
    """Export the feature extractor: image in, features at the chosen layers out.

    The image is RGB in [0, 1], (batch, 3, height, width). Batch size and sides may have any value, the sides from
    16 on, unless --batch and --size fix them. The file is written only if its errors against PyTorch in float64 are
    within the tolerances. `python -m export formats` lists the formats and their options.
    """
    with report_errors():
        require_full("python -m export extractor")
        config, _ = resolve_config(options)
        chosen_format = format or format_of(output)
        written = export_options(
            "extractor",
            chosen_format,
            precision=precision,
            opset=opset,
            palette=palette,
            size=size,
            batch=batch,
            outputs=outputs,
        )
        check_outputs(output, config)
        from core.network.weights import load_weights
        from export.extractor import export_extractor

        weights = load_weights(config.arch, config.weights, config.weights_preprocessing, progress=True)
        names = taps.split(",") if taps is not None else (*config.style_layers, *config.content_layers)
        manifest = export_extractor(
            output,
            weights,
            names,
            format=chosen_format,
            pooling=config.pooling,
            precision=precision,
            options=written,
            checksum=sha256,
        )
        print_written(output, manifest, sha256)


@app.command()
@config_options(
    *(option.name for option in fields(TransferConfig) if option.name not in (*NETWORK_OPTIONS, *LOSS_OPTIONS)),
    style_losses=partial(exported_style_losses, "objective"),
)
def objective(
    output: OutputPath,
    regions: RegionsInput = False,
    opset: Opset = None,
    palette: Palette = None,
    size: FixedSize = None,
    sha256: Checksum = True,
    **options: Any,
) -> None:
    """Export the objective as one ONNX graph: image, targets and weights in, loss and gradient out.

    The graph contains the network up to the deepest layer and uses standard operators only. Images may have any sides
    of at least 16 pixels (32 if the deepest layer is pool5) unless --size fixes them. The file is written only if the
    errors of loss and gradient are within the tolerances.
    """
    with report_errors():
        require_full("python -m export objective")
        check_exported("objective", options["style_loss"] or DEFAULT_STYLE_LOSS)
        config, _ = resolve_config(options)
        if format_of(output) != "onnx":
            raise UsageError(f"an objective is an ONNX file, and {output} has another suffix: use .onnx")
        written = export_options("objective", "onnx", opset=opset, palette=palette, size=size)
        check_outputs(output, config)
        from core.network.weights import load_weights
        from export.objective.export import export_objective

        weights = load_weights(config.arch, config.weights, config.weights_preprocessing, progress=True)
        layers = (config.content_layers, config.style_layers)
        manifest = export_objective(
            output,
            weights,
            *layers,
            pooling=config.pooling,
            style_loss=config.style_loss,
            content_detail=config.content_detail,
            regions=regions,
            options=written,
            checksum=sha256,
        )
        print_written(output, manifest, sha256)


@app.command()
@config_options(
    *(option.name for option in fields(TransferConfig) if option.name not in _OPTIONS_OF_PAINTERS),
    style_losses=partial(exported_style_losses, "painter"),
)
def painter(
    output: OutputPath,
    preset: Preset = None,
    effort: Effort = None,
    pixels: Annotated[
        ImageFormat,
        typer.Option(
            metavar="|".join(get_args(ImageFormat)),
            help="Images are uint8 (height, width, 3), or float32 (1, 3, height, width) in [0, 1].",
        ),
    ] = "uint8",
    opset: Opset = None,
    palette: Palette = None,
    sha256: Checksum = True,
    **options: Any,
) -> None:
    """Export the whole optimisation as one ONNX graph: content and style image in, result out.

    Each call returns a state; pass it to the next call to continue. Between calls a program can show progress and stop.
    Image size, evaluations and strength are inputs; all other options are fixed at export. The file is written only if
    whole runs match those of python -m core.transfer.
    """
    with report_errors():
        require_full("python -m export painter")
        check_exported("painter", options["style_loss"] or DEFAULT_STYLE_LOSS)
        config, _ = resolve_config(options, preset=preset, effort=effort)
        if format_of(output) != "onnx":
            raise UsageError(f"a painter is an ONNX file, and {output} has another suffix: use .onnx")
        written = export_options("painter", "onnx", opset=opset, palette=palette, size=None)
        check_outputs(output, config)
        from core.network.weights import load_weights
        from export.painter.export import check_supported, export_painter

        check_supported(config)
        weights = load_weights(config.arch, config.weights, config.weights_preprocessing, progress=True)
        manifest = export_painter(output, weights, config, pixels=pixels, options=written, checksum=sha256)
        print_written(output, manifest, sha256)


app.command()(run)


@app.command()
def verify(
    artifact: ArtifactPath,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="WEIGHTS", help="Weights to compare with.", show_default="the weights it was exported from"
        ),
    ] = None,
    weights_preprocessing: Annotated[
        str | None,
        typer.Option(
            metavar=_OPTIONS["weights_preprocessing"].metavar,
            help=_OPTIONS["weights_preprocessing"].help,
            show_default=False,
        ),
    ] = None,
    trusted: Annotated[
        bool, typer.Option("--trusted", help="Run the native code of an AOTInductor package, which cannot be checked.")
    ] = False,
    runtime: Annotated[
        RuntimeName, typer.Option(metavar=_OPTIONS["runtime"].metavar, help=_OPTIONS["runtime"].help)
    ] = "onnxruntime",
    precision: Annotated[
        Literal["fp32", "bf16"],
        typer.Option(metavar="fp32|bf16", help="Precision of that program; bf16 needs --runtime openvino."),
    ] = "fp32",
) -> None:
    """Compare an artifact with eager PyTorch in float32 and float64, at several image sizes.

    Exits with status 1 and prints the largest error if a tolerance is exceeded. If another program has changed the
    file, a warning says so; the errors then refer to the modified file.
    """
    with report_errors():
        require_full("python -m export verify")
        manifest = read_manifest(artifact)  # refuses other files before the slow import of PyTorch
        if (state := content_state(artifact, manifest)) == "changed":
            print_line(f"Warning: {artifact} was {STATES[state]}", stderr=True)
        from export.verify.artifact import verify_artifact

        report = verify_artifact(
            artifact,
            against=against,
            preprocessing=weights_preprocessing,
            execution=Execution(runtime, precision),
            trusted=trusted,
        )
        print_table(report.table())
        report.require_passed(artifact)


@app.command()
def inspect(
    artifact: ArtifactPath,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the manifest of an artifact, and whether another program has changed the file, without executing it."""
    with report_errors():
        manifest = read_manifest(artifact)
        state = content_state(artifact, manifest)
        if as_json:
            typer.echo(json.dumps({"content": state, **asdict(manifest)}, indent=1))
        else:
            print_table(manifest_table(artifact, manifest, state))


@app.command()
def formats() -> None:
    """List the artifacts with their formats and options, and the programs that run them."""
    print_table(formats_table())


@app.command()
def web(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Directory to write.", show_default=False)
    ],
    objective: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Objective artifact to use.", show_default="exported with the default options"
        ),
    ] = None,
    onnxruntime_web: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Directory of the npm package onnxruntime-web.", show_default="npm fetches it"
        ),
    ] = None,
    examples: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help=f"Directory with subdirectories content/ and style/; at most {MAX_COUNT} images of each are used.",
        ),
    ] = None,
) -> None:
    """Write a static web page that runs style transfer in the browser.

    Any web server can serve it, for example `python -m export serve`.
    """
    with report_errors():
        require_full("python -m export web", "onnx")
        from export.web.folder import size_of
        from export.web.page import write_page

        write_page(output, objective, runtime=onnxruntime_web, examples=examples)
        print_line(f"{output}: a page, {size_of(output)}; open it with python -m export serve {output}")


@app.command()
def triton(
    artifacts: Annotated[list[Path], typer.Argument(metavar="FILE", help="ONNX artifacts, one of each kind.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Model repository to write.", show_default=False)
    ],
) -> None:
    """Write a model repository for the Triton Inference Server."""
    with report_errors():
        from export.triton import write_repository

        names = write_repository(output, artifacts)
        print_line(f"{output}: a model repository with {' and '.join(names)}")


@app.command()
def serve(
    page: Annotated[Path, typer.Argument(metavar="DIR", help="A page that `web` wrote.")],
    port: Annotated[int, typer.Option(metavar="INT", help="TCP port; 0 for any free port.")] = 8000,
) -> None:
    """Serve a page on this machine only, with the COOP and COEP headers that WebAssembly threads require."""
    with report_errors():
        from export.web.server import serve as serve_page

        serve_page(page, port, print_line)


if __name__ == "__main__":
    app()
