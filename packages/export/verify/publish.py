"""Puts an artifact in its place: written, compared with eager PyTorch, and only then given its name."""

import platform
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from core.artifacts.manifest import Manifest, checksum_path
from core.files import replacing, sha256_of
from core.runs.record import DISTRIBUTION
from export.verify.parity import Report

Writer = Callable[[Manifest, Path], None]
"""Writes a graph that is already made, with the manifest it is given, to a path."""


def publish(
    path: Path, manifest: Manifest, write: Writer, verify: Callable[[Path], Report], *, checksum: bool = True
) -> Manifest:
    """Write an artifact to `path` with what `verify` found in its manifest, and its checksum beside it.

    Returns the manifest as it was written.

    Raises:
        StyleTransferError: The artifact is out of bounds or cannot be written; nothing has changed at `path`.
    """
    with replacing(path) as temporary:
        write(manifest, temporary)
        report = verify(temporary)
        report.require_passed(path)
        manifest = replace(manifest, parity=report.figures())
        write(manifest, temporary)  # the same graph
        # A checksum of an older artifact must not outlive it.
        checksum_path(path).unlink(missing_ok=True)
    if checksum:
        with replacing(checksum_path(path)) as temporary:
            temporary.write_text(f"{sha256_of(path)}  {path.name}\n", encoding="utf-8")
    return manifest


def versions(*packages: str) -> Mapping[str, str]:
    """The versions of these packages, of Python and of this program."""
    found = {name: _version(name) for name in (*packages, DISTRIBUTION)}
    return {"python": platform.python_version(), **found}


def _version(package: str) -> str:
    # ONNX Runtime goes by another name where it comes with CUDA.
    for name in (package, f"{package}-gpu"):
        with suppress(PackageNotFoundError):
            return version(name)
    return "not installed"
