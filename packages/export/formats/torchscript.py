"""Writes extractors for PyTorch programs: TorchScript for C++ and Python, torch.export for its compilers."""

import io
import zipfile
from pathlib import Path

import torch
import torch.fx.experimental._config
from torch import nn

from core.artifacts.extractors import without_warnings
from core.artifacts.manifest import EXTRA_FILE, Manifest
from export.verify.publish import Writer


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
