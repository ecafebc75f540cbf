"""A model repository for the Triton Inference Server: a folder per artifact with the file and its configuration."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.artifacts.manifest import read_manifest
from core.errors import UsageError
from core.files import check_writable
from export.web.folder import replacing_folder

CONFIG = "config.pbtxt"
VERSION = "1"
"""Name of the folder with the first version of a model."""

_TYPES = {1: "TYPE_FP32", 2: "TYPE_UINT8", 7: "TYPE_INT64"}
"""Triton's names of the dtypes of onnx.TensorProto."""


def write_repository(folder: Path, artifacts: Sequence[Path]) -> list[str]:
    """Write a model for each ONNX artifact to `folder`, and return their names: the kinds of the artifacts.

    Raises:
        UsageError: An artifact is damaged or no ONNX file, two are of one kind, or the folder exists or cannot be
            created.
        StyleTransferError: The folder cannot be written.
    """
    if folder.exists():
        raise UsageError(f"{folder} exists: choose another folder, or remove it")
    check_writable(folder)
    manifests = {path: read_manifest(path) for path in artifacts}
    for path, manifest in manifests.items():
        if manifest.format != "onnx":
            raise UsageError(f"{path} is a {manifest.format} file, and Triton needs ONNX: export it as .onnx")
    names: list[str] = [manifest.kind for manifest in manifests.values()]
    if len(set(names)) < len(artifacts):
        raise UsageError(f"{folder} would contain two models of one name: give one artifact of each kind")
    with replacing_folder(folder) as repository:
        for path, name in zip(manifests, names, strict=True):
            version = repository / name / VERSION
            version.mkdir(parents=True)
            shutil.copyfile(path, version / "model.onnx")
            (repository / name / CONFIG).write_text(model_config(name, path), encoding="utf-8")
    return names


def model_config(name: str, path: Path) -> str:
    """Return the configuration of the model at `path`, as protobuf text.

    The batch is an axis like the others (`max_batch_size: 0`), because the targets of an objective belong to one image.
    """
    import onnx

    graph = onnx.load(path).graph
    tensors = [_tensor("input", value) for value in graph.input] + [_tensor("output", value) for value in graph.output]
    return "\n".join((f'name: "{name}"', 'backend: "onnxruntime"', "max_batch_size: 0", *tensors)) + "\n"


def _tensor(role: str, value: Any) -> str:
    """Return the entry of an input or output; -1 is a side of any length.

    Triton has no scalars without a batch (`max_batch_size: 0`); its ONNX Runtime backend exchanges them as one number.
    """
    sides = [side.dim_value if side.HasField("dim_value") else -1 for side in value.type.tensor_type.shape.dim] or [1]
    dims = f"dims: [ {', '.join(map(str, sides))} ]"
    return f'{role} {{ name: "{value.name}" data_type: {_TYPES[value.type.tensor_type.elem_type]} {dims} }}'
