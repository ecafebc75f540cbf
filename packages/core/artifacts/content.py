"""The hash of what an artifact computes, which shows whether another program has changed the file.

Converters, quantisers and simplifiers keep the metadata of a model, so that the manifest in their output still
describes the exported file. The hash leaves out the manifest and everything else that computes nothing. It needs
neither PyTorch nor the package onnx, and executes nothing.
"""

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from core.archives import read_members
from core.artifacts.manifest import EXTRA_MEMBER, Manifest
from core.artifacts.protobuf import fields
from core.errors import UsageError

_SERIALIZATION_ID = ".data/serialization_id"
"""Name of a checksum that PyTorch computes from all members of an archive, also from the manifest."""

State = Literal["unchanged", "changed", "unknown"]

_Ignored = Mapping[int, "_Ignored | None"]
"""Fields of a protobuf message that are not hashed (None), or that are messages with such fields."""

_NODE: _Ignored = {3: None, 6: None, 9: None}  # name, doc_string, metadata_props
_TENSOR: _Ignored = {12: None, 16: None}  # doc_string, metadata_props
_VALUE: _Ignored = {3: None, 4: None}  # doc_string, metadata_props
_GRAPH: _Ignored = {
    1: _NODE,
    2: None,  # name
    5: _TENSOR,
    10: None,  # doc_string
    11: _VALUE,
    12: _VALUE,
    13: None,  # value_info: shapes of intermediate values, which follow from the rest
    16: None,  # metadata_props
}
_MODEL: _Ignored = {
    1: None,  # ir_version
    2: None,  # producer_name
    3: None,  # producer_version
    4: None,  # domain
    5: None,  # model_version
    6: None,  # doc_string
    7: _GRAPH,
    14: None,  # metadata_props
}
"""Field numbers of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto."""


def warn_if_changed(path: Path, manifest: Manifest, part: str) -> None:
    """Log a warning if another program has changed an artifact; `part` is what may therefore be wrong.

    Raises:
        UsageError: The file is damaged.
    """
    if content_state(path, manifest) == "changed":
        logging.getLogger(__name__).warning(
            "another program has changed %s since its export: %s may be wrong; check it with python -m export verify",
            path,
            part,
        )


def content_sha256(path: Path) -> str:
    """Return the SHA-256, in hexadecimal digits, of the graph or the program of the artifact at `path`.

    Raises:
        UsageError: The file is damaged.
    """
    with path.open("rb") as file:
        is_archive = file.read(2) == b"PK"
    return _archive_hash(path) if is_archive else _model_hash(path)


def content_state(path: Path, manifest: Manifest) -> State:
    """Return whether the artifact at `path` still computes what it did when `manifest` was written.

    Raises:
        UsageError: The file is damaged.
    """
    if not manifest.content_sha256:
        return "unknown"
    return "unchanged" if content_sha256(path) == manifest.content_sha256 else "changed"


def _archive_hash(path: Path) -> str:
    members = read_members(path, lambda name: name not in (EXTRA_MEMBER, _SERIALIZATION_ID))
    digest = hashlib.sha256()
    for name in sorted(members):
        digest.update(f"{name}\n{len(members[name])}\n".encode())
        digest.update(members[name])
    return digest.hexdigest()


def _model_hash(path: Path) -> str:
    try:
        return _message_hash(memoryview(path.read_bytes()), _MODEL).hex()
    except EOFError as error:
        raise UsageError(f"{path} is damaged or not an ONNX model: export it again") from error


def _message_hash(message: memoryview, ignored: _Ignored) -> bytes:
    digest = hashlib.sha256()
    for number, _, content in fields(message):
        inner = ignored.get(number, {})
        if inner is not None:
            digest.update(f"{number}\n".encode())
            digest.update(_message_hash(content, inner) if inner else hashlib.sha256(content).digest())
    return digest.digest()
