"""torch.export archives (.pt2) for PyTorch and its compilers."""

import io
from pathlib import Path

import torch
import torch.fx.experimental._config
from torch import nn

from core.artifacts.extractors import without_warnings
from core.artifacts.manifest import EXTRA_FILE, Manifest
from export.formats import Writer
from export.io_spec import dynamic_shapes, examples, extractor_inputs


def export_program(module: nn.Module) -> Writer:
    """Trace an extractor with torch.export for any batch, height and width."""
    inputs = extractor_inputs()
    # Without it the program rejects images whose deepest features have a side of 1. torch.onnx.export sets it too.
    any_size = torch.fx.experimental._config.patch(backed_size_oblivious=True)  # type: ignore[attr-defined]
    with without_warnings(), any_size:
        program = torch.export.export(module, examples(inputs), dynamic_shapes=dynamic_shapes(inputs))
    for node in list(program.graph.nodes):
        node.meta.pop("stack_trace", None)  # contains paths on this machine
        if node.target is torch.ops.aten._assert_tensor_metadata.default:
            program.graph.erase_node(node)  # restricts the program to the device of the trace

    def write(manifest: Manifest, path: Path) -> None:
        file = io.BytesIO()
        with without_warnings():
            torch.export.save(program, file, extra_files={EXTRA_FILE: manifest.to_json()})
        path.write_bytes(file.getvalue())

    return write
