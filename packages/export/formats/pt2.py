"""torch.export archives (.pt2) for PyTorch and its compilers."""

import io
from pathlib import Path

import torch
import torch.fx.experimental._config
from torch import nn
from torch.export import ExportedProgram

from core.artifacts.extractors import without_warnings
from core.artifacts.manifest import EXTRA_FILE, Manifest
from export.formats import Writer
from export.io_spec import IMAGE, TensorSpec


def trace_program(module: nn.Module, image: TensorSpec) -> ExportedProgram:
    """Trace an extractor with torch.export and decompose it into the operators that all converters accept."""
    # Without it the program rejects images whose deepest features have a side of 1.
    any_size = torch.fx.experimental._config.patch(backed_size_oblivious=True)  # type: ignore[attr-defined]
    with without_warnings(), any_size:
        traced = torch.export.export(module, (image.example(),), dynamic_shapes={IMAGE: image.dynamic_shape()})
        program: ExportedProgram = traced.run_decompositions({})
    for node in list(program.graph.nodes):
        node.meta.pop("stack_trace", None)  # contains paths on this machine
        if node.target is torch.ops.aten._assert_tensor_metadata.default:
            program.graph.erase_node(node)  # restricts the program to the device of the trace
    return program


def write_program(program: ExportedProgram) -> Writer:
    """Return a writer of a traced extractor."""

    def write(manifest: Manifest, path: Path) -> None:
        file = io.BytesIO()
        with without_warnings():
            torch.export.save(program, file, extra_files={EXTRA_FILE: manifest.to_json()})
        path.write_bytes(file.getvalue())

    return write
