"""Files that hold a network's weights, whatever wrote them: tensors under the names the file gives them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import torch

from core.errors import StyleTransferError, UsageError
from core.network.architecture import convolutions

SOURCES = ("oxford", "torchvision", "torchvision-features")
"""The names of weights that need no file."""

Found = tuple[Mapping[str, Any], str | None]
"""What a source holds: its tensors, and the preprocessing they need if it says that."""


def read_file(path: Path, arch: str) -> Found:
    """Read a .safetensors, .pth, .pt, .onnx or .h5 file; never anything that could run code.

    Raises UsageError where there is no such file, and StyleTransferError where it is damaged.
    """
    formats = ", ".join(_READERS)
    if not path.is_file():
        raise UsageError(f"no weights {str(path)!r}: use {', '.join(SOURCES)}, or a file ({formats})")
    if path.suffix.lower() not in _READERS:
        raise UsageError(f"{path} is no file weights can be read from: use one of {formats}")
    try:
        return _READERS[path.suffix.lower()](path, arch)
    except Exception as error:  # a parser that is fed a damaged file may raise anything at all
        raise StyleTransferError(
            f"{path} cannot be read: it may be damaged, or not be what its name says ({first_line(error)})"
        ) from error


def _read_safetensors(path: Path, arch: str) -> Found:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as stored:
        tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (no mapping)
        return tensors, (stored.metadata() or {}).get("preprocessing")


def _read_torch(path: Path, arch: str) -> Found:
    # Mapped, most of a full VGG, its classifier, is never read. Files from before torch 1.6 cannot be mapped.
    stored = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zipfile(path))
    return dict(stored.get("state_dict", stored)), None


def _read_onnx(path: Path, arch: str) -> Found:
    """Take the convolutions in the order of the graph: exporters rename tensors, but VGG is a chain."""
    import onnx

    model = onnx.load(path)
    arrays = {stored.name: stored for stored in model.graph.initializer}
    nodes = [node for node in model.graph.node if node.op_type == "Conv" and node.input[1] in arrays]
    tensors = {}
    for conv, node in zip(convolutions(arch), nodes, strict=False):
        for name, key in zip(node.input[1:], ("weight", "bias"), strict=False):
            tensors[f"{conv.name}.{key}"] = torch.tensor(onnx.numpy_helper.to_array(arrays[name]))
    return tensors, {entry.key: entry.value for entry in model.metadata_props}.get("preprocessing")


def _read_keras(path: Path, arch: str) -> Found:
    """Read a model saved by Keras; its own VGGs are the Oxford networks, fed as these are."""
    import h5py

    tensors: dict[str, torch.Tensor] = {}

    def collect(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and "conv" in name:
            tensors[name] = torch.tensor(item[()])

    with h5py.File(path) as stored:
        # A whole model keeps its layers apart from the optimiser's moments, which bear the same names.
        stored.get("model_weights", stored).visititems(collect)
    return tensors, "caffe"


_READERS: dict[str, Callable[[Path, str], Found]] = {
    ".safetensors": _read_safetensors,
    ".pth": _read_torch,
    ".pt": _read_torch,
    ".onnx": _read_onnx,
    ".h5": _read_keras,
}


def first_line(error: Exception) -> str:
    """torch explains some errors on a page; a sentence has room for its first line."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__
