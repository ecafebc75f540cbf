"""Export of the painter."""

from functools import partial
from pathlib import Path

import onnx

from core.artifacts.manifest import Manifest
from core.artifacts.painter import PAINTER_OPTIONS, Pixels
from core.config.options import flag_of
from core.config.transfer_config import TransferConfig
from core.errors import UsageError
from core.network.weights import Weights
from export.formats.onnx_graph import write_model
from export.io_spec import STYLE_LOSS, TensorSpec
from export.manifests import new_manifest
from export.painter.graph import PainterGraph
from export.painter.inputs import painter_inputs, painter_outputs
from export.painter.network import EvaluationModule, GraphObjective
from export.verify.onnx_checker import check_onnx
from export.verify.painter import verify_painter
from export.verify.parity import ParityReport
from export.verify.writing import write_verified

IR_VERSION = 8
"""Runtimes from 2022 on read it; opset 18 needs no newer one."""


def export_painter(
    path: Path, weights: Weights, config: TransferConfig, *, pixels: Pixels = "uint8", checksum: bool = True
) -> Manifest:
    """Write the painter for the options of `config` to `path` and return its manifest.

    The file is written only if whole runs match those of `core.style_transfer.stylize`.

    Raises:
        UsageError: A painter does not support an option, or the weights lack a layer.
        StyleTransferError: The graph exceeds a tolerance or cannot be written; `path` is unchanged.
    """
    check_supported(config)
    module = EvaluationModule(weights, config.content_layers, config.style_layers, config.pooling)
    model = build_painter(GraphObjective(module), config, weights.preprocessing.activation_scale, pixels)
    manifest = _manifest(module, config, weights, pixels)

    def verify(written: Path) -> ParityReport:
        check_onnx(written)
        return verify_painter(written, manifest, weights)

    return write_verified(path, manifest, partial(write_model, model), verify, checksum=checksum)


def build_painter(
    objective: GraphObjective, config: TransferConfig, activation_scale: float, pixels: Pixels = "uint8"
) -> onnx.ModelProto:
    """Return the painter as an ONNX model without metadata."""
    model = PainterGraph(objective, config, activation_scale, pixels).build()
    model.ir_version = IR_VERSION
    for value, spec in zip(model.graph.output, painter_outputs(pixels), strict=True):
        _set_shape(value, spec)
    return model


def check_supported(config: TransferConfig) -> None:
    """Raise UsageError if a painter does not support an option of `config`."""
    unsupported = {
        "style_loss": config.style_loss != STYLE_LOSS,
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


def _manifest(module: EvaluationModule, config: TransferConfig, weights: Weights, pixels: Pixels) -> Manifest:
    taps = {*module.content_taps, *module.style_taps}
    options = config.to_dict()
    return new_manifest(
        weights,
        kind="painter",
        format="onnx",
        taps=tuple(layer.name for layer in module.network_layers if layer.name in taps),
        content_taps=module.content_taps,
        style_taps=module.style_taps,
        pooling=config.pooling,
        precision="fp32",
        inputs=painter_inputs(config, pixels),
        outputs=painter_outputs(pixels),
        settings={name: options[name] for name in PAINTER_OPTIONS},
    )


def _set_shape(value: onnx.ValueInfoProto, spec: TensorSpec) -> None:
    """Name the axes of an output."""
    tensor = value.type.tensor_type
    tensor.ClearField("shape")
    for side in spec.shape:
        dimension = tensor.shape.dim.add()
        if isinstance(side, int):
            dimension.dim_value = side
        else:
            dimension.dim_param = side
    tensor.shape.SetInParent()
