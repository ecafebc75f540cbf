"""ONNX models from PyTorch modules: standard operators, one file, the manifest in the metadata."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import onnx
import torch
from torch import nn

from core.artifacts.extractors import without_warnings
from core.artifacts.manifest import Manifest, metadata_props
from export.formats import Writer
from export.io_spec import Inputs, TensorSpec, dynamic_shapes, examples, extractor_inputs, flatten

OPSET = 18
"""Supported by every runtime in use, and sufficient for VGG and its backward pass."""


def trace_extractor(module: nn.Module, outputs: Sequence[TensorSpec]) -> Writer:
    """Trace an extractor for any batch, height and width."""
    return partial(write_model, trace(module, extractor_inputs(), outputs))


def trace(module: nn.Module, inputs: Inputs, outputs: Sequence[TensorSpec]) -> onnx.ModelProto:
    """Return `module` as an ONNX model that contains its initializers."""
    with without_warnings():
        program = torch.onnx.export(
            module,
            examples(inputs),
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
            external_data=False,
            input_names=[spec.name for spec in flatten(inputs)],
            output_names=[spec.name for spec in outputs],
            dynamic_shapes=dynamic_shapes(inputs),
        )
    assert program is not None
    model: onnx.ModelProto = program.model_proto
    _remove_origin(model)
    _name_axes(model, flatten(inputs))
    return model


def write_model(model: onnx.ModelProto, manifest: Manifest, path: Path) -> None:
    """Write `model` to `path` with `manifest` in its metadata."""
    onnx.helper.set_model_props(model, metadata_props(manifest))
    path.write_bytes(model.SerializeToString(deterministic=True))


def _remove_origin(model: onnx.ModelProto) -> None:
    """Remove the exporter's metadata, which includes paths of source files on this machine."""
    del model.graph.metadata_props[:]
    for part in (*model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output):
        del part.metadata_props[:]
        part.doc_string = ""


def _name_axes(model: onnx.ModelProto, inputs: Sequence[TensorSpec]) -> None:
    """Replace the tracer's symbols for the variable axes of the inputs by the names in their specification."""
    for value, spec in zip(model.graph.input, inputs, strict=True):
        for dimension, side in zip(value.type.tensor_type.shape.dim, spec.shape, strict=True):
            if isinstance(side, str):
                dimension.dim_param = side
