"""The files of ONNX Runtime Web that a page loads."""

import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.errors import StyleTransferError, UsageError

PACKAGE = "onnxruntime-web"
VERSION = "1.30.0"
FILES = (
    "ort.wasm.min.mjs",
    "ort-wasm-simd-threaded.mjs",
    "ort-wasm-simd-threaded.wasm",
    "ort.webgpu.min.mjs",
    "ort-wasm-simd-threaded.asyncify.mjs",
    "ort-wasm-simd-threaded.asyncify.wasm",
)
"""The scripts for WebAssembly and for WebGPU, each with the files it loads. A browser loads only those it uses."""

FOLDER = "ort"
"""Subfolder of the page that contains the files; objective.js loads them from there."""

FETCH_TIMEOUT = 600  # seconds


def copy_runtime(page: Path, package: Path | None) -> None:
    """Copy the files from an unpacked npm package, or from one that npm downloads, to the page.

    Raises:
        UsageError: `package` lacks a file.
        StyleTransferError: npm is missing or fails.
    """
    destination = page / FOLDER
    destination.mkdir()
    if package is None:
        with tempfile.TemporaryDirectory() as temporary, tarfile.open(_download(Path(temporary))) as archive:
            _copy_files(lambda name: archive.extractfile(f"package/dist/{name}"), destination, str(archive.name))
        return
    dist = package / "dist" if (package / "dist").is_dir() else package
    _copy_files(lambda name: (dist / name).open("rb"), destination, str(package))


def _copy_files(open_file: Callable[[str], Any], destination: Path, source: str) -> None:
    for name in FILES:
        try:
            with open_file(name) as file:
                content = file.read()
        except (KeyError, FileNotFoundError, NotADirectoryError) as error:
            raise UsageError(
                f"{source} does not contain {name}: expected the unpacked npm package {PACKAGE}@{VERSION}"
            ) from error
        (destination / name).write_bytes(content)


def _download(folder: Path) -> Path:
    """Download the package as an archive into `folder`; npm verifies its checksum."""
    npm = shutil.which("npm")
    if npm is None:
        raise StyleTransferError(
            f"npm is not installed, so {PACKAGE} cannot be downloaded: install npm, or use --onnxruntime-web DIR with "
            f"the unpacked npm package {PACKAGE}@{VERSION}"
        )
    command = [npm, "pack", f"{PACKAGE}@{VERSION}", "--silent", "--pack-destination", str(folder)]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=FETCH_TIMEOUT)
        (archive,) = folder.glob("*.tgz")
    except (subprocess.SubprocessError, ValueError) as error:
        raise StyleTransferError(
            f"npm could not download {PACKAGE}@{VERSION}: check the network, or use --onnxruntime-web DIR with the "
            "unpacked package"
        ) from error
    return archive
