"""Readers of weight files: safetensors, PyTorch, ONNX and Keras."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import is_zipfile

import torch

from core.errors import StyleTransferError, UsageError, first_line
from core.files import check_regular, sha256_of
from core.network.architecture import convolutions


class StoredWeights(NamedTuple):
    """Tensors as a source stores them, under the names and with the axis order of that source.

    `preprocessing` is the name of the preprocessing that the source states, or None. `sha256` is the checksum of
    the whole file.
    """

    tensors: Mapping[str, Any]
    preprocessing: str | None
    sha256: str


def read_weight_file(path: Path, arch: str) -> StoredWeights:
    """Read a .safetensors, .pth, .pt, .onnx or .h5 file without executing code from it.

    Raises:
        UsageError: The format is unknown.
        StyleTransferError: The file is damaged.
    """
    check_regular(path, f"weight file {path}")
    suffix = path.suffix.lower()
    if suffix not in _READERS:
        raise UsageError(f"unknown format of weight file {path}: use one of {', '.join(FORMATS)}")
    try:
        tensors, preprocessing = _READERS[suffix](path, arch)
    except Exception as error:  # parsers raise exceptions of any type for a damaged file
        raise StyleTransferError(
            f"cannot read weight file {path}: it is damaged or its suffix does not match its format "
            f"({first_line(error)})"
        ) from error
    return StoredWeights(tensors, preprocessing, sha256_of(path))


_Read = tuple[Mapping[str, Any], str | None]


def _read_safetensors(path: Path, arch: str) -> _Read:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as stored:
        tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (not a mapping)
        return tensors, (stored.metadata() or {}).get("preprocessing")


def _read_torch(path: Path, arch: str) -> _Read:
    # With mmap the classifier, most of a complete VGG file, is never read. Files written before torch 1.6 are no zip
    # files and cannot be mapped.
    stored = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zipfile(path))
    return dict(stored.get("state_dict", stored)), None


def _read_onnx(path: Path, arch: str) -> _Read:
    """Read the convolutions in graph order: exporters rename initializers, but VGG is a chain of layers."""
    import onnx

    model = onnx.load(path)
    initializers = {stored.name: stored for stored in model.graph.initializer}
    nodes = [node for node in model.graph.node if node.op_type == "Conv" and node.input[1] in initializers]
    tensors = {}
    for conv, node in zip(convolutions(arch), nodes, strict=False):
        for name, key in zip(node.input[1:], ("weight", "bias"), strict=False):
            tensors[f"{conv.name}.{key}"] = torch.tensor(onnx.numpy_helper.to_array(initializers[name]))
    return tensors, {entry.key: entry.value for entry in model.metadata_props}.get("preprocessing")


def _read_keras(path: Path, arch: str) -> _Read:
    """Read a model saved by Keras, whose VGG networks are the Oxford networks with Caffe preprocessing."""
    import h5py

    tensors: dict[str, torch.Tensor] = {}

    def collect(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and "conv" in name:
            tensors[name] = torch.tensor(item[()])

    with h5py.File(path) as stored:
        # A complete model also stores the moments of the training optimizer under the same names, in another group.
        stored.get("model_weights", stored).visititems(collect)
    return tensors, "caffe"


_READERS: dict[str, Callable[[Path, str], _Read]] = {
    ".safetensors": _read_safetensors,
    ".pth": _read_torch,
    ".pt": _read_torch,
    ".onnx": _read_onnx,
    ".h5": _read_keras,
}
FORMATS = tuple(_READERS)
"""Suffixes of the weight files that can be read."""
