"""Writes a page that paints in the visitor's browser: `python -m export web`.

The page is static: HTML, a script, the objective, ONNX Runtime Web's files. Imports PyTorch only to export one.
"""

import json
import shutil
import subprocess
import tarfile
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any

from core.artifacts.manifest import Manifest, read_manifest
from core.config.transfer_config import TransferConfig
from core.errors import StyleTransferError, UsageError
from core.files import reason, sha256_of
from core.image.reading import read_image
from core.image.resize import fit_size, resize
from core.image.writing import to_image
from core.objective.weights import LossWeights
from core.optim.constants import LBFGS
from export.web.objective import add_targets

RUNTIME = "onnxruntime-web"
RUNTIME_VERSION = "1.30.0"
RUNTIME_FILES = (
    "ort.wasm.min.mjs",
    "ort-wasm-simd-threaded.mjs",
    "ort-wasm-simd-threaded.wasm",
    "ort.webgpu.min.mjs",
    "ort-wasm-simd-threaded.asyncify.mjs",
    "ort-wasm-simd-threaded.asyncify.wasm",
)
"""Of WebAssembly and of WebGPU: the script, and what it loads. A visitor's browser fetches only those it uses."""

PAGE_FILES = ("index.html", "paint.js", "style.css")
OBJECTIVE = "objective.onnx"

DESCRIPTION = "page.json"
"""What the script reads first; it also tells a folder that we wrote, and may replace, from any other."""

MOST_EXAMPLES = 6
EXAMPLE_SIZE = 512


def write_page(
    folder: Path, objective: Path | None = None, *, runtime: Path | None = None, examples: Path | None = None
) -> Mapping[str, Any]:
    """Write the page that paints with the artifact `objective` into `folder`; return its description.

    Without `objective`, one is exported for the default network and layers, which needs PyTorch.
    `runtime` is a folder that holds the npm package onnxruntime-web; without it, npm fetches the package.
    `examples` is one with the folders `content` and `style`, whose pictures the page offers.

    Raises:
        UsageError: The folder holds something else, or an input is missing or damaged.
        StyleTransferError: npm is missing or fails, or the page cannot be written; `folder` is as it was.
    """
    check_replaceable(folder)
    with _given_or_exported(objective) as artifact, _replacing_folder(folder) as temporary:
        manifest = read_manifest(artifact, kind="objective")
        _copy_runtime(temporary, runtime)
        for name in PAGE_FILES:
            (temporary / name).write_bytes(files("export").joinpath("web", "static", name).read_bytes())
        add_targets(artifact, temporary / OBJECTIVE, manifest)
        shown = {} if examples is None else _copy_examples(temporary, examples)
        description = _describe(manifest, shown, _sums(temporary))
        (temporary / DESCRIPTION).write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")
    return description


def size_of(folder: Path) -> str:
    """The size of all files in a folder, in megabytes."""
    return f"{sum(path.stat().st_size for path in folder.rglob('*')) / 1e6:.1f} MB"


def check_replaceable(folder: Path) -> None:
    """Raise UsageError if writing a page to `folder` would destroy anything but such a page."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UsageError(f"{folder} is a file: name a folder for the page")
    held = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    if held and (strangers := sorted(held - {DESCRIPTION, *read_description(folder)["files"]})):
        raise UsageError(
            f"{folder} holds {strangers[0]}, which no page of ours does and which would be lost: choose another folder"
        )


def read_description(folder: Path) -> Any:
    """Return the description of the page in a folder, or raise UsageError if there is none."""
    try:
        description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        description = None
    if not isinstance(description, dict) or not {"objective", "files"} <= description.keys():
        raise UsageError(f"{folder} is no page that python -m export web wrote: choose another folder")
    return description


def _describe(manifest: Manifest, examples: Mapping[str, list[str]], sums: Mapping[str, str]) -> dict[str, Any]:
    """What the script has to know: the network's layers, the weights, and the defaults it shares with Python."""
    config = TransferConfig(arch=manifest.arch, content_layers=manifest.content_taps, style_layers=manifest.style_taps)  # type: ignore[arg-type]
    terms = LossWeights.of(config, manifest.activation_scale)
    return {
        "objective": asdict(manifest),
        "weights": {
            "content": [terms.content[tap] for tap in manifest.content_taps],
            "style": [terms.style[tap] for tap in manifest.style_taps],
        },
        "painting": {
            "scaleFactor": config.scale_factor,
            "leastScale": config.min_scale_size,
        },
        "optimiser": {
            "history": config.history,
            "sufficientDecrease": LBFGS.sufficient_decrease,
            "maxBacktracks": LBFGS.max_backtracks,
            "minCurvature": LBFGS.min_curvature,
            "firstMove": LBFGS.initial_step_rms,
        },
        "examples": examples,
        RUNTIME: RUNTIME_VERSION,
        "files": sums,
    }


def _sums(folder: Path) -> dict[str, str]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in paths}


@contextmanager
def _replacing_folder(folder: Path) -> Iterator[Path]:
    """A new folder beside `folder` that takes its name once the block ends, and goes if the block fails."""
    target = folder.resolve()
    temporary, old = (target.with_name(f".{uuid.uuid4().hex}") for _ in range(2))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir()
        yield temporary
        if target.exists():
            target.rename(old)
        temporary.rename(target)
    except OSError as error:
        if old.exists() and not target.exists():
            old.rename(target)
        raise StyleTransferError(
            f"cannot write {folder}: {reason(error)}; free some space or choose another folder"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


# The objective


@contextmanager
def _given_or_exported(objective: Path | None) -> Iterator[Path]:
    if objective is not None:
        yield objective
        return
    from core.network.weights import load_weights
    from export.objective.graph import export_objective

    config = TransferConfig()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / OBJECTIVE
        weights = load_weights(config.arch, config.weights, progress=True)
        export_objective(path, weights, config.content_layers, config.style_layers, checksum=False)
        yield path


# ONNX Runtime Web


def _copy_runtime(folder: Path, package: Path | None) -> None:
    """Copy what the page needs of ONNX Runtime Web to the subfolder `ort`."""
    destination = folder / "ort"
    destination.mkdir()
    if package is None:
        with tempfile.TemporaryDirectory() as temporary, tarfile.open(_fetch_runtime(Path(temporary))) as archive:
            _copy_each(lambda name: archive.extractfile(f"package/dist/{name}"), destination, archive.name)
        return
    dist = package / "dist" if (package / "dist").is_dir() else package
    _copy_each(lambda name: (dist / name).open("rb"), destination, str(package))


def _copy_each(open_image: Callable[[str], Any], destination: Path, source: object) -> None:
    for name in RUNTIME_FILES:
        try:
            with open_image(name) as file:
                content = file.read()
        except (KeyError, FileNotFoundError, NotADirectoryError) as error:
            raise UsageError(
                f"{source} has no {name}: expected the npm package {RUNTIME}@{RUNTIME_VERSION}, unpacked"
            ) from error
        (destination / name).write_bytes(content)


def _fetch_runtime(folder: Path) -> Path:
    """Let npm, which checks what it gets, put the package as an archive into `folder`."""
    remedy = f"install npm, or give --onnxruntime-web DIR with the npm package {RUNTIME}@{RUNTIME_VERSION} in it"
    npm = shutil.which("npm")
    if npm is None:
        raise StyleTransferError(f"fetching {RUNTIME} needs npm, which is not installed: {remedy}")
    command = [npm, "pack", f"{RUNTIME}@{RUNTIME_VERSION}", "--silent", "--pack-destination", str(folder)]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=600)
        (archive,) = folder.glob("*.tgz")
    except (subprocess.SubprocessError, ValueError) as error:
        raise StyleTransferError(
            f"npm could not fetch {RUNTIME}@{RUNTIME_VERSION}: see to the network, or give --onnxruntime-web DIR "
            "with the package in it"
        ) from error
    return archive


# Examples


def _copy_examples(folder: Path, examples: Path) -> dict[str, list[str]]:
    """Copy pictures of `examples/content` and `examples/style`, small, and return their paths in the page."""
    shown: dict[str, list[str]] = {}
    for role in ("content", "style"):
        if not (examples / role).is_dir():
            raise UsageError(f"{examples} has no folder {role}: expected one with pictures, and one called style")
        destination = folder / "examples" / role
        destination.mkdir(parents=True)
        pictures = sorted(path for path in (examples / role).iterdir() if not path.name.startswith("."))
        for path in pictures[:MOST_EXAMPLES]:
            picture = read_image(path, name="example")
            small = resize(picture.pixels, fit_size(picture.size, EXAMPLE_SIZE, "long"))
            packed = BytesIO()
            to_image(small).save(packed, "JPEG", quality=88)
            (destination / f"{path.stem}.jpg").write_bytes(packed.getvalue())
        shown[role] = [f"examples/{role}/{path.stem}.jpg" for path in pictures[:MOST_EXAMPLES]]
    return shown
