"""TorchScript archives (.pt) for LibTorch (C++) and PyTorch."""

import io
import zipfile
from pathlib import Path

import torch
from torch import nn

from core.artifacts.extractors import without_warnings
from core.artifacts.manifest import EXTRA_FILE, Manifest
from export.formats import Writer
from export.formats.tuple_outputs import TupleExtractor, without_dictionary


def script(module: nn.Module) -> Writer:
    """Script and freeze an extractor.

    `torch.jit.optimize_for_inference` is not used: it silently breaks the gradient with respect to the image.
    """
    if isinstance(module, TupleExtractor):
        module = without_dictionary(module)
    with without_warnings():
        frozen = torch.jit.freeze(torch.jit.script(module.eval()))

    def write(manifest: Manifest, path: Path) -> None:
        file = io.BytesIO()  # torch.jit.save would name the root of the archive after the path
        with without_warnings():
            torch.jit.save(frozen, file, _extra_files={EXTRA_FILE: manifest.to_json()})
        _write_without_debug_files(file, path)

    return write


def _write_without_debug_files(archive: io.BytesIO, path: Path) -> None:
    """Write a TorchScript archive to `path` without its debug files, which contain paths on this machine."""
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(path, "w") as target:
        for member in source.infolist():
            if not member.filename.endswith(".debug_pkl"):
                target.writestr(zipfile.ZipInfo(member.filename), source.read(member))
