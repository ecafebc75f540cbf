"""Readers of weight files: safetensors, PyTorch, ONNX and Keras."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import is_zipfile

import torch

from core.archives import check_archive
from core.errors import StyleTransferError, UsageError, first_line
from core.files import check_regular, sha256_of
from core.network.architecture import convolutions

MAX_EXPANSION = 10
"""Limit on the bytes of a tensor of a Keras file for each byte that is stored; weights hardly compress at all."""


MAX_ELEMENTS = 512 * 512 * 3 * 3
"""Limit on the elements of a tensor of a Keras file, those of the largest convolution of VGG."""

MAX_ONNX_BYTES = 2**31
"""Limit on the size of an ONNX file, which is that of protobuf."""
PALETTE, PALETTE_INDICES = "{}.palette", "{}.bytes"
"""Names of the initializers from which an ONNX file restores weights that it stores as indices into a palette."""


class StoredWeights(NamedTuple):
    """Tensors as a source stores them, under the names and with the axis order of that source.

    `preprocessing` is the name of the preprocessing that the source states, or None. `sha256` is the checksum of
    the whole file.
    """

    tensors: Mapping[str, Any]
    preprocessing: str | None
    sha256: str


def read_weight_file(path: Path, arch: str) -> StoredWeights:
    """Read a .safetensors, .pth, .pt, .onnx or .h5 file without executing code from it, and no other file.

    Raises:
        UsageError: The format is unknown, or the file refers to other files or is compressed beyond measure.
        StyleTransferError: The file is damaged.
    """
    check_regular(path, f"weight file {path}")
    check_format(path)
    try:
        tensors, preprocessing = _READERS[path.suffix.lower()](path, arch)
    except UsageError:
        raise
    except Exception as error:  # parsers raise exceptions of any type for a damaged file
        raise StyleTransferError(
            f"cannot read weight file {path}: it is damaged or its suffix does not match its format "
            f"({first_line(error)})"
        ) from error
    return StoredWeights(tensors, preprocessing, sha256_of(path))


def check_format(path: Path) -> None:
    """Raise UsageError if the suffix of a weight file names no known format."""
    if path.suffix.lower() not in _READERS:
        raise UsageError(f"unknown format of weight file {path}: use one of {', '.join(FORMATS)}")


_Read = tuple[Mapping[str, Any], str | None]


def _read_safetensors(path: Path, arch: str) -> _Read:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as stored:
        tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (not a mapping)
        return tensors, (stored.metadata() or {}).get("preprocessing")


def _read_torch(path: Path, arch: str) -> _Read:
    mapped = is_zipfile(path)
    if mapped:
        check_archive(path)
    # With mmap the classifier, most of a complete VGG file, is never read. Files written before torch 1.6 are no zip
    # files and cannot be mapped.
    stored = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    return dict(stored.get("state_dict", stored)), None


def _read_onnx(path: Path, arch: str) -> _Read:
    """Read the convolutions in graph order: exporters rename initializers, but VGG is a chain of layers."""
    import onnx

    if (size := path.stat().st_size) > MAX_ONNX_BYTES:
        raise UsageError(f"{path} has {size} bytes, and an ONNX file has at most {MAX_ONNX_BYTES}: use another file")
    model = onnx.load(path, load_external_data=False)
    initializers = {stored.name: stored for stored in model.graph.initializer}
    if any(map(onnx.external_data_helper.uses_external_data, initializers.values())):
        raise _refers_to_other_files(path)

    def stored(name: str) -> Any:
        if name in initializers:
            return onnx.numpy_helper.to_array(initializers[name])
        parts = (initializers.get(part.format(name)) for part in (PALETTE, PALETTE_INDICES))
        palette, indices = (None if part is None else onnx.numpy_helper.to_array(part) for part in parts)
        return None if palette is None or indices is None else palette[indices]

    kernels = [(node, stored(node.input[1])) for node in model.graph.node if node.op_type == "Conv"]
    nodes = [(node, kernel) for node, kernel in kernels if kernel is not None]
    tensors = {}
    for conv, (node, kernel) in zip(convolutions(arch), nodes, strict=False):
        tensors[f"{conv.name}.weight"] = torch.tensor(kernel)
        for name in node.input[2:]:
            tensors[f"{conv.name}.bias"] = torch.tensor(stored(name))
    return tensors, {entry.key: entry.value for entry in model.metadata_props}.get("preprocessing")


def _read_keras(path: Path, arch: str) -> _Read:
    """Read a model saved by Keras, whose VGG networks are the Oxford networks with Caffe preprocessing."""
    import h5py

    def is_other_link(name: str, link: Any) -> bool | None:
        return None if isinstance(link, h5py.HardLink) else True  # a visit ends at the first value that is not None

    datasets: dict[str, Any] = {}

    def collect(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and "conv" in name:
            datasets[name] = item

    with h5py.File(path) as stored:
        if stored.visititems_links(is_other_link):
            raise _refers_to_other_files(path)
        # A complete model also stores the moments of the training optimizer under the same names, in another group.
        stored.get("model_weights", stored).visititems(collect)
        for name, dataset in datasets.items():
            if dataset.is_virtual or dataset.external:
                raise _refers_to_other_files(path)
            if dataset.nbytes > MAX_EXPANSION * dataset.id.get_storage_size():
                raise UsageError(f"{path} stores almost nothing of {name}: use the file that Keras wrote")
            if dataset.size > MAX_ELEMENTS:
                raise UsageError(f"{path} has {name} of shape {dataset.shape}, larger than any of VGG: use another")
        return {name: torch.tensor(dataset[()]) for name, dataset in datasets.items()}, "caffe"


def _refers_to_other_files(path: Path) -> UsageError:
    return UsageError(
        f"{path} refers to data in other files or under other names: use a file that contains its weights"
    )


_READERS: dict[str, Callable[[Path, str], _Read]] = {
    ".safetensors": _read_safetensors,
    ".pth": _read_torch,
    ".pt": _read_torch,
    ".onnx": _read_onnx,
    ".h5": _read_keras,
}
FORMATS = tuple(_READERS)
"""Suffixes of the weight files that can be read."""
