"""Atomic writing of artifacts that pass verification."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from core.artifacts.content import content_sha256
from core.artifacts.manifest import Manifest, checksum_path
from core.errors import StyleTransferError
from core.files import replacing, sha256_of
from export.formats import Writer
from export.verify.parity import ParityReport


def write_verified(
    path: Path, manifest: Manifest, write: Writer, verify: Callable[[Path], ParityReport], *, checksum: bool = True
) -> Manifest:
    """Write an artifact to `path` if it passes `verify`; add the measured differences and a hash to its manifest.

    With `checksum`, a SHA-256 checksum file is written beside it. Returns the manifest in the file.

    Raises:
        StyleTransferError: The artifact exceeds a tolerance or cannot be written; `path` is unchanged.
    """
    with replacing(path) as temporary:
        write(manifest, temporary)
        try:
            report = verify(temporary)
        except StyleTransferError as error:  # its message names the temporary file
            raise type(error)(str(error).replace(str(temporary), str(path))) from error
        report.require_passed(path)
        manifest = replace(manifest, parity=report.summary(), content_sha256=content_sha256(temporary))
        write(manifest, temporary)  # the same module, with the complete manifest
        # The checksum file of a previous artifact would not match.
        checksum_path(path).unlink(missing_ok=True)
    if checksum:
        with replacing(checksum_path(path)) as temporary:
            temporary.write_text(f"{sha256_of(path)}  {path.name}\n", encoding="utf-8")
    return manifest
