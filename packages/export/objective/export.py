"""Export of the objective as one ONNX graph of standard operators."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import onnx

from core.artifacts.manifest import Manifest
from core.config.style_losses import DEFAULT_STYLE_LOSS
from core.config.transfer_config import TransferConfig
from core.network.architecture import Pooling
from core.network.weights import Weights
from export.formats.onnx_graph import finish, write_model
from export.formats.palette import is_palettized
from export.graph.model import InputValues, build_model
from export.io_spec import Inputs, TensorSpec, flatten, objective_outputs, with_lengths
from export.manifests import new_manifest
from export.objective.graph import ObjectiveGraph
from export.options import ExportOptions, format_spec
from export.verify.objective import verify_objective
from export.verify.onnx_checker import check_onnx
from export.verify.parity import ParityReport
from export.verify.writing import write_verified


def export_objective(
    path: Path,
    weights: Weights,
    content_taps: Sequence[str],
    style_taps: Sequence[str],
    *,
    pooling: Pooling = "max",
    style_loss: str = DEFAULT_STYLE_LOSS,
    content_detail: float = TransferConfig.content_detail,
    regions: bool = False,
    options: ExportOptions | None = None,
    checksum: bool = True,
) -> Manifest:
    """Write the objective for these layers to `path` and return its manifest.

    The file is written only if the graph matches PyTorch. Its manifest describes all inputs and outputs.
    `content_detail` is that of `TransferConfig`, from 0 to 1. With `regions` the graph takes masks, and a target for
    each region. `options` may fix height and width; the batch is 1. Weights are stored as indices into a palette unless
    `options` says otherwise.

    Raises:
        UsageError: A layer or the pooling does not exist, the weights lack a layer, the style loss cannot be exported,
            or the size is too small for the deepest layer.
        StyleTransferError: The graph exceeds a tolerance or cannot be written; `path` is unchanged.
    """
    objective = ObjectiveGraph(
        weights, content_taps, style_taps, pooling, style_loss, content_detail=content_detail, regions=regions
    )
    options = options or ExportOptions()
    format_spec("objective", "onnx").check(options)
    model = build_objective(objective, options)
    manifest = _manifest(objective, weights, pooling, options, palette=is_palettized(model))

    def verify(written: Path) -> ParityReport:
        check_onnx(written)
        return verify_objective(written, manifest, weights)

    return write_verified(path, manifest, partial(write_model, model), verify, checksum=checksum)


def build_objective(objective: ObjectiveGraph, options: ExportOptions) -> onnx.ModelProto:
    """Return the objective as an ONNX model without metadata."""
    inputs, outputs = _interface(objective, options)
    values = InputValues(inputs)
    found = objective.evaluate(**values.arguments)
    results = (found.loss, found.gradient, found.content_loss, found.style_loss, found.tv_loss)
    by_name = {spec.name: value for spec, value in zip(outputs, results, strict=True)}
    model = build_model(values.by_name, by_name, objective.network.initializers)
    return finish(model, inputs, outputs, options, palette=True)


def _interface(objective: ObjectiveGraph, options: ExportOptions) -> tuple[Inputs, list[TensorSpec]]:
    return with_lengths(objective.inputs, options.lengths), [
        spec.with_lengths(options.lengths) for spec in objective_outputs()
    ]


def _manifest(
    objective: ObjectiveGraph, weights: Weights, pooling: Pooling, options: ExportOptions, *, palette: bool
) -> Manifest:
    inputs, outputs = _interface(objective, options)
    return new_manifest(
        weights,
        kind="objective",
        format="onnx",
        taps=objective.extractor.taps,
        content_taps=objective.content_taps,
        style_taps=objective.style_taps,
        style_loss=objective.style_loss,
        content_detail=objective.content_detail,
        pooling=pooling,
        precision="fp32",
        options=options,
        palette=palette,
        inputs=flatten(inputs),
        outputs=outputs,
    )
