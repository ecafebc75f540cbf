"""ONNX models from PyTorch modules: standard operators, one file, the manifest in the metadata."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import onnx
import torch
from torch import nn

from core.artifacts.extractors import without_warnings
from core.artifacts.manifest import Manifest, metadata_props
from export.formats.palette import palettize
from export.io_spec import Inputs, TensorSpec, dynamic_shapes, examples, flatten
from export.options import MIN_OPSET, ExportOptions

MIN_IR_VERSION = 8
"""IR version of the files unless their opset requires a newer one: old runtimes refuse newer versions."""


def trace(module: nn.Module, inputs: Inputs, outputs: Sequence[TensorSpec]) -> onnx.ModelProto:
    """Return `module` as an ONNX model that contains its initializers; `finish` completes it."""
    with without_warnings():
        program = torch.onnx.export(
            module,
            examples(inputs),
            dynamo=True,
            verbose=False,
            opset_version=MIN_OPSET,
            external_data=False,
            input_names=[spec.name for spec in flatten(inputs)],
            output_names=[spec.name for spec in outputs],
            dynamic_shapes=dynamic_shapes(inputs),
        )
    assert program is not None
    model: onnx.ModelProto = program.model_proto
    return model


def finish(
    model: onnx.ModelProto, inputs: Inputs, outputs: Sequence[TensorSpec], options: ExportOptions, *, palette: bool
) -> onnx.ModelProto:
    """Return a model of opset `MIN_OPSET` as `options` describe it, ready to be written; `model` may be changed.

    Every artifact has the same form: names for all nodes and all variable axes of inputs and outputs, no shapes of
    intermediate values, the oldest possible IR version, and no metadata of the exporter.

    Args:
        model: The model.
        inputs: Its arguments.
        outputs: Its outputs.
        options: The opset, and whether to store weights as indices into a palette.
        palette: Default for the latter.
    """
    if options.opset != MIN_OPSET:
        model = onnx.version_converter.convert_version(model, options.opset)
    _remove_origin(model)
    _name_axes(model.graph.input, flatten(inputs))
    _name_axes(model.graph.output, outputs)
    if palette if options.palette is None else options.palette:
        palettize(model, required=bool(options.palette))
    _name_nodes(model.graph)
    model.ir_version = max(MIN_IR_VERSION, onnx.helper.find_min_ir_version_for(list(model.opset_import)))
    return model


def write_model(model: onnx.ModelProto, manifest: Manifest, path: Path) -> None:
    """Write `model` to `path` with `manifest` in its metadata."""
    onnx.helper.set_model_props(model, metadata_props(manifest))
    path.write_bytes(model.SerializeToString(deterministic=True))


def _remove_origin(model: onnx.ModelProto) -> None:
    """Remove what the exporter adds: paths of source files on this machine, and its names of variable axes."""
    for graph in _graphs(model.graph):
        del graph.metadata_props[:]
        del graph.value_info[:]
        for part in (*graph.node, *graph.input, *graph.output):
            del part.metadata_props[:]
            part.doc_string = ""


def _name_axes(values: Sequence[onnx.ValueInfoProto], specs: Sequence[TensorSpec]) -> None:
    """Replace the tracer's symbols for variable axes by the names in their specification."""
    for value, spec in zip(values, specs, strict=True):
        for dimension, side in zip(value.type.tensor_type.shape.dim, spec.shape, strict=True):
            if isinstance(side, str):
                dimension.dim_param = side
            elif not dimension.HasField("dim_value"):
                dimension.dim_value = side


def _name_nodes(graph: onnx.GraphProto) -> None:
    """Give each node, also of nested graphs, a unique name: its own, or that of its operator and a number."""
    used: set[str] = set()
    nodes = (node for nested in _graphs(graph) for node in nested.node)
    for number, node in enumerate(nodes):
        if not node.name or node.name in used:
            node.name = f"{node.op_type}_{number}"
        used.add(node.name)


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """Yield a graph and those that its nodes contain, such as the body of a loop."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from _graphs(attribute.g)
