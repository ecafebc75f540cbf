"""Export of the painter."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import onnx

from core.artifacts.manifest import Manifest
from core.artifacts.painter import PAINTER_OPTIONS, ImageFormat
from core.config.exported_losses import check_exported
from core.config.options import flag_of
from core.config.transfer_config import TransferConfig
from core.errors import UsageError
from core.network.weights import Weights
from export.formats.onnx_graph import finish, write_model
from export.manifests import new_manifest
from export.objective.graph import ObjectiveGraph
from export.options import ExportOptions
from export.painter.graph import PainterGraph
from export.painter.inlined_objective import InlinedObjective
from export.painter.inputs import painter_inputs, painter_outputs
from export.verify.onnx_checker import check_onnx
from export.verify.painter import verify_painter
from export.verify.parity import ParityReport
from export.verify.writing import write_verified


def export_painter(
    path: Path,
    weights: Weights,
    config: TransferConfig,
    *,
    pixels: ImageFormat = "uint8",
    options: ExportOptions | None = None,
    checksum: bool = True,
) -> Manifest:
    """Write the painter for the options of `config` to `path` and return its manifest.

    The file is written only if whole runs match those of `core.style_transfer.stylize`.

    Raises:
        UsageError: A painter does not support an option, or the weights lack a layer.
        StyleTransferError: The graph exceeds a tolerance or cannot be written; `path` is unchanged.
    """
    check_supported(config)
    options = options or ExportOptions()
    network = ObjectiveGraph(
        weights,
        config.content_layers,
        config.style_layers,
        config.pooling,
        config.style_loss,
        content_detail=config.content_detail,
    )
    objective = InlinedObjective(network, palette=options.palette)
    model = build_painter(objective, config, weights.preprocessing.activation_scale, pixels, options)
    manifest = painter_manifest(objective, config, weights, pixels, options)

    def verify(written: Path) -> ParityReport:
        check_onnx(written)
        return verify_painter(written, manifest, weights)

    return write_verified(path, manifest, partial(write_model, model), verify, checksum=checksum)


def build_painter(
    objective: InlinedObjective,
    config: TransferConfig,
    activation_scale: float,
    pixels: ImageFormat = "uint8",
    options: ExportOptions | None = None,
) -> onnx.ModelProto:
    """Return the painter as an ONNX model without metadata."""
    model = PainterGraph(objective, config, activation_scale, pixels).build()
    outputs = painter_outputs(pixels)
    inputs = {spec.name: spec for spec in painter_inputs(config, pixels)}
    written = replace(options or ExportOptions(), palette=None)  # the weights have been stored as it says
    return finish(model, inputs, outputs, written, palette=False)


def check_supported(config: TransferConfig) -> None:
    """Raise UsageError if a painter does not support an option of `config`."""
    check_exported("painter", config.style_loss)
    unsupported = {
        "preserve_color": config.preserve_color != "none",
        "averaging": config.averaging > 0,
        "init": config.init not in ("matched", "content"),
    }
    for name, refused in unsupported.items():
        if refused:
            raise UsageError(
                f"a painter does not support {flag_of(name)} {getattr(config, name)}: remove the option, or use "
                "python -m export objective"
            )


def painter_manifest(
    objective: InlinedObjective, config: TransferConfig, weights: Weights, pixels: ImageFormat, options: ExportOptions
) -> Manifest:
    """Return the manifest of a painter, without errors."""
    network = objective.objective
    values = config.to_dict()
    return new_manifest(
        weights,
        kind="painter",
        format="onnx",
        taps=network.extractor.taps,
        content_taps=network.content_taps,
        style_taps=network.style_taps,
        style_loss=network.style_loss,
        content_detail=network.content_detail,
        pooling=config.pooling,
        precision="fp32",
        options=options,
        palette=objective.palette,
        inputs=painter_inputs(config, pixels),
        outputs=painter_outputs(pixels),
        settings={name: values[name] for name in PAINTER_OPTIONS},
    )
