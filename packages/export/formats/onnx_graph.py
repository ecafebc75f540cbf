"""Writes PyTorch modules as ONNX models: standard operators, one file, the manifest in the metadata."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import nn

from core.artifacts.extractors import without_warnings
from core.artifacts.manifest import Manifest, metadata_props
from export.io_spec import dynamic_shapes, example
from export.verify.publish import Writer

OPSET = 18
"""Old enough for every runtime in use, and complete for what is needed here."""


def trace_extractor(module: nn.Module, taps: Sequence[str]) -> Writer:
    """Trace `module`, an extractor, for any batch, height and width, its outputs named after the taps."""
    model = trace(module, (example(),), inputs=["image"], outputs=taps, dynamic_shapes=dynamic_shapes())
    return lambda manifest, path: write_model(model, manifest, path)


def trace(
    module: nn.Module,
    arguments: tuple[Any, ...],
    *,
    inputs: Sequence[str],
    outputs: Sequence[str],
    dynamic_shapes: dict[str, Any],
) -> onnx.ModelProto:
    """Return `module` as an ONNX model whose initialisers are inside it.

    `arguments` are an example of what it is called with, `dynamic_shapes` what of their shapes may vary, as
    torch.export takes it.
    """
    with without_warnings():
        program = torch.onnx.export(
            module,
            arguments,
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
            external_data=False,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_shapes=dynamic_shapes,
        )
    assert program is not None
    model: onnx.ModelProto = program.model_proto
    _forget_origin(model)
    return model


def write_model(model: onnx.ModelProto, manifest: Manifest, path: Path) -> None:
    """Write `model` to `path` with `manifest` inside."""
    onnx.helper.set_model_props(model, metadata_props(manifest))
    path.write_bytes(model.SerializeToString(deterministic=True))


def _forget_origin(model: onnx.ModelProto) -> None:
    """Remove what the exporter notes of its own work, among it where the code lay on this machine."""
    del model.graph.metadata_props[:]
    for part in (*model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output):
        del part.metadata_props[:]
        part.doc_string = ""
