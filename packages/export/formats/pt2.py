"""Write a torch.export program (.pt2)."""

import io
from pathlib import Path

import torch
import torch.fx.experimental._config
from torch import nn

from core.artifacts.extractors import without_warnings
from core.artifacts.manifest import EXTRA_FILE, Manifest
from export.io_spec import dynamic_shapes, example
from export.verify.publish import Writer


def export_program(module: nn.Module) -> Writer:
    """Trace `module`, an extractor, with torch.export, for any batch, height and width."""
    # Else it would rule out the sizes at which the deepest features are one pixel wide; torch.onnx does the same.
    any_size = torch.fx.experimental._config.patch(backed_size_oblivious=True)  # type: ignore[attr-defined]
    with without_warnings(), any_size:
        program = torch.export.export(module, (example(),), dynamic_shapes=dynamic_shapes())
    for node in list(program.graph.nodes):
        node.meta.pop("stack_trace", None)  # where the code lay on this machine is nobody's business
        if node.target is torch.ops.aten._assert_tensor_metadata.default:
            program.graph.erase_node(node)  # it would tie the program to the device it was traced on

    def write(manifest: Manifest, path: Path) -> None:
        file = io.BytesIO()
        with without_warnings():
            torch.export.save(program, file, extra_files={EXTRA_FILE: manifest.to_json()})
        path.write_bytes(file.getvalue())

    return write
