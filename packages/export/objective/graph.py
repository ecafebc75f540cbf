"""Export of the objective as one ONNX graph of standard operators."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import onnx

from core.artifacts.manifest import Manifest
from core.network.architecture import Pooling
from core.network.weights import Weights
from export.formats.onnx_graph import trace, write_model
from export.formats.palette import palettize
from export.io_spec import flatten, objective_inputs, objective_outputs
from export.manifests import new_manifest
from export.objective.module import ObjectiveModule
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
    checksum: bool = True,
) -> Manifest:
    """Write the objective with the Gram style loss for these layers to `path` and return its manifest.

    The file is written only if the graph matches PyTorch. Its manifest describes all inputs and outputs.

    Raises:
        UsageError: A layer or the pooling does not exist, or the weights lack a layer.
        StyleTransferError: The graph exceeds a tolerance or cannot be written; `path` is unchanged.
    """
    module = ObjectiveModule(weights, content_taps, style_taps, pooling)
    model, manifest = trace_objective(module), _manifest(module, weights, pooling)

    def verify(written: Path) -> ParityReport:
        check_onnx(written)
        return verify_objective(written, manifest, weights)

    return write_verified(path, manifest, partial(write_model, model), verify, checksum=checksum)


def trace_objective(module: ObjectiveModule) -> onnx.ModelProto:
    """Return `module` as an ONNX model for any height and width."""
    inputs = objective_inputs(module.network_layers, module.content_taps, module.style_taps)
    model = trace(module, inputs, objective_outputs())
    palettize(model)
    return model


def _manifest(module: ObjectiveModule, weights: Weights, pooling: Pooling) -> Manifest:
    taps = {*module.content_taps, *module.style_taps}
    return new_manifest(
        weights,
        kind="objective",
        format="onnx",
        taps=tuple(layer.name for layer in module.network_layers if layer.name in taps),
        content_taps=module.content_taps,
        style_taps=module.style_taps,
        pooling=pooling,
        precision="fp32",
        inputs=flatten(objective_inputs(module.network_layers, module.content_taps, module.style_taps)),
        outputs=objective_outputs(),
    )
