"""The form of ONNX artifacts: standard operators, one file, the manifest in the metadata."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import onnx

from core.artifacts.manifest import Manifest, metadata_props
from export.formats.palette import palettize
from export.io_spec import Inputs, TensorSpec, flatten
from export.options import MIN_OPSET, ExportOptions

MIN_IR_VERSION = 8
"""IR version of the files unless their opset requires a newer one: old runtimes refuse newer versions."""


def finish(
    model: onnx.ModelProto, inputs: Inputs, outputs: Sequence[TensorSpec], options: ExportOptions, *, palette: bool
) -> onnx.ModelProto:
    """Bring a model of opset `MIN_OPSET` into the form of an artifact with these `options`; `model` may be changed.

    Every artifact has the same form: names for all nodes and all variable axes of inputs and outputs, no shapes of
    intermediate values, no optional outputs that nothing uses, and the oldest possible IR version.

    Args:
        model: The model.
        inputs: Its arguments.
        outputs: Its outputs.
        options: The opset, and whether to store weights as indices into a palette.
        palette: Default for the latter.
    """
    if options.opset != MIN_OPSET:
        model = onnx.version_converter.convert_version(model, options.opset)
    for graph in _graphs(model.graph):
        del graph.value_info[:]
    _remove_unused_outputs(model.graph)
    _set_shapes(model.graph.input, flatten(inputs))
    _set_shapes(model.graph.output, outputs)
    if palette if options.palette is None else options.palette:
        palettize(model, required=bool(options.palette))
    _name_nodes(model.graph)
    model.ir_version = max(MIN_IR_VERSION, onnx.helper.find_min_ir_version_for(list(model.opset_import)))
    return model


def write_model(model: onnx.ModelProto, manifest: Manifest, path: Path) -> None:
    """Write `model` to `path` with `manifest` in its metadata."""
    onnx.helper.set_model_props(model, metadata_props(manifest))
    path.write_bytes(model.SerializeToString(deterministic=True))


def _set_shapes(values: Sequence[onnx.ValueInfoProto], specs: Sequence[TensorSpec]) -> None:
    """Give inputs or outputs the lengths of their specification, or the names of those that may vary."""
    for value, spec in zip(values, specs, strict=True):
        shape = value.type.tensor_type.shape
        del shape.dim[:]
        for side in spec.shape:
            shape.dim.add(**{"dim_param" if isinstance(side, str) else "dim_value": side})
        shape.SetInParent()  # a scalar has a shape without axes


def _remove_unused_outputs(graph: onnx.GraphProto) -> None:
    """Remove the last outputs of nodes that nothing uses: a runtime would compute the indices of a max pooling."""
    graphs = [*_graphs(graph)]
    used = {name for one in graphs for node in one.node for name in node.input}
    used |= {value.name for one in graphs for value in one.output}
    for one in graphs:
        for node in one.node:
            while len(node.output) > 1 and node.output[-1] not in used:
                node.output.pop()


def _name_nodes(graph: onnx.GraphProto) -> None:
    """Give each node, also of nested graphs, a unique name: its own, or that of its operator and a number."""
    used: set[str] = set()
    nodes = [node for nested in _graphs(graph) for node in nested.node]
    taken = {node.name for node in nodes}
    for number, node in enumerate(nodes):
        if not node.name or node.name in used:
            name = f"{node.op_type}_{number}"
            node.name = name if name not in taken else f"{name}_{len(nodes)}"
        used.add(node.name)


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """Yield a graph and those that its nodes contain, such as the body of a loop."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from _graphs(attribute.g)
