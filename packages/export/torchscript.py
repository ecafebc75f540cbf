"""Writes extractors for PyTorch programs: TorchScript for C++ and Python, torch.export for its compilers."""

import io
import zipfile
from pathlib import Path

import torch
import torch.fx.experimental._config
from torch import nn

from core.artifacts import without_warnings
from core.manifest import EXTRA_FILE, Manifest
from export.contract import dynamic_shapes, example
from export.publish import Writer


def script(module: nn.Module) -> Writer:
    """Script and freeze `module`, an extractor.

    Not `optimize_for_inference`: it breaks the gradient with respect to the image without a word.
    """
    with without_warnings():
        frozen = torch.jit.freeze(torch.jit.script(module))

    def write(manifest: Manifest, path: Path) -> None:
        file = io.BytesIO()  # given a path, the archive would name its root after it
        with without_warnings():
            torch.jit.save(frozen, file, _extra_files={EXTRA_FILE: manifest.to_json()})
        _without_debug_information(file, path)

    return write


def _without_debug_information(archive: io.BytesIO, path: Path) -> None:
    """Write a TorchScript archive to `path` without the tables that say where its source code lay."""
    with zipfile.ZipFile(archive) as whole, zipfile.ZipFile(path, "w") as kept:
        for member in whole.infolist():
            if not member.filename.endswith(".debug_pkl"):
                kept.writestr(zipfile.ZipInfo(member.filename), whole.read(member))


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
