"""Writes a page that paints in the visitor's browser, and serves it: `python -m export web`, `python -m export serve`.

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
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from core import optimise
from core.config import TransferConfig
from core.errors import StyleTransferError, UsageError
from core.files import reason
from core.images import fit_size, read_picture, resize, to_image
from core.manifest import Manifest, read_manifest, sha256_of
from core.onnx_engine import CONTENT, GRAM
from core.session import open_session, run_session
from core.terms import Terms

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

OWN = "own/{}"
"""What the page's objective calls what it compares with a target: given the right picture, it is that target."""

MOST_EXAMPLES = 6
EXAMPLE_SIZE = 512

LOOPBACK = "127.0.0.1"
HEADERS = {
    # Threads need memory that several of them share, which browsers grant only to pages isolated like this.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


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
            (temporary / name).write_bytes(files("export").joinpath("page", name).read_bytes())
        _add_targets(artifact, temporary / OBJECTIVE, manifest)
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
    if held and (strangers := sorted(held - {DESCRIPTION, *_read_description(folder)["files"]})):
        raise UsageError(
            f"{folder} holds {strangers[0]}, which no page of ours does and which would be lost: choose another folder"
        )


def _read_description(folder: Path) -> Any:
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
    terms = Terms.of(config, manifest.activation_scale)
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
            "sufficientDecrease": optimise.SUFFICIENT_DECREASE,
            "maxBacktracks": optimise.MAX_BACKTRACKS,
            "minCurvature": optimise.MIN_CURVATURE,
            "firstMove": optimise.FIRST_MOVE,
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
    from core.weights import load_weights
    from export.objective_graph import export_objective

    config = TransferConfig()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / OBJECTIVE
        weights = load_weights(config.arch, config.weights, progress=True)
        export_objective(path, weights, config.content_layers, config.style_layers, checksum=False)
        yield path


def _add_targets(objective: Path, path: Path, manifest: Manifest) -> None:
    """Write the artifact to `path` with one more output for each target: what the graph subtracts it from.

    At the right picture that is the target itself. So one file, with its weights once, does for a browser what
    an objective and an extractor do elsewhere.
    """
    import onnx

    model = onnx.load(objective)
    graph = model.graph
    shapes = {value.name: value.type for value in graph.input}
    for name in _targets(manifest):
        (difference,) = (node for node in graph.node if node.op_type == "Sub" and node.input[1] == name)
        graph.node.append(onnx.helper.make_node("Identity", [difference.input[0]], [OWN.format(name)]))
        graph.output.append(onnx.helper.make_value_info(OWN.format(name), shapes[name]))
    path.write_bytes(model.SerializeToString(deterministic=True))
    _check_targets(path, manifest)


def _targets(manifest: Manifest) -> list[str]:
    contents = [CONTENT.format(tap) for tap in manifest.content_taps]
    return contents + [GRAM.format(tap) for tap in manifest.style_taps]


def _check_targets(path: Path, manifest: Manifest) -> None:
    """A picture whose own targets are handed back to it must have no loss."""
    session, names = open_session(path, "cpu"), _targets(manifest)
    image = np.random.default_rng(0).random((1, 3, 48, 32), dtype=np.float32)
    heights = {"height": image.shape[2], "width": image.shape[3]}
    inputs: dict[str, Any] = {"image": image, "tv_weight": np.zeros(1, np.float32)}
    inputs["content_weights"] = np.ones(len(manifest.content_taps), np.float32)
    inputs["style_weights"] = np.ones(len(manifest.style_taps), np.float32)
    shapes = {value.name: value.shape for value in session.get_inputs()}
    for name in names:
        sides = [_side(side, heights) for side in shapes[name]]
        inputs[name] = np.zeros(sides, np.float32)
    outputs = ("loss", *(OWN.format(name) for name in names))
    first = run_session(session, outputs, inputs)
    inputs |= {name: first[OWN.format(name)] for name in names}
    loss = float(run_session(session, ("loss",), inputs)["loss"])
    if not loss <= 1e-9 * float(first["loss"]):
        raise StyleTransferError(
            f"a picture that is its own target has the loss {loss:g}, where 0 was expected: export the objective again"
        )


def _side(side: int | str, sides: Mapping[str, int]) -> int:
    """A side of an input, such as 512 or "height // 8"."""
    if isinstance(side, int):
        return side
    of, _, stride = side.partition(" // ")
    return sides[of] // int(stride or 1)


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


def _copy_each(opened: Callable[[str], Any], destination: Path, source: object) -> None:
    for name in RUNTIME_FILES:
        try:
            with opened(name) as file:
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
            picture = read_picture(path, name="example")
            small = resize(picture.pixels, fit_size(picture.size, EXAMPLE_SIZE, "long"))
            packed = BytesIO()
            to_image(small).save(packed, "JPEG", quality=88)
            (destination / f"{path.stem}.jpg").write_bytes(packed.getvalue())
        shown[role] = [f"examples/{role}/{path.stem}.jpg" for path in pictures[:MOST_EXAMPLES]]
    return shown


# Serving


def make_server(folder: Path, port: int) -> ThreadingHTTPServer:
    """A server of the page in `folder` that only this machine reaches; 0 lets the system choose the port.

    Raises:
        UsageError: There is no page in the folder, or the port is taken.
    """
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}: write a page with python -m export web -o {folder}")
    _read_description(folder)

    def handle(*arguments: Any) -> "_Handler":
        return _Handler(*arguments, directory=str(folder))

    try:
        return ThreadingHTTPServer((LOOPBACK, port), handle)
    except (OSError, OverflowError) as error:
        what = reason(error) if isinstance(error, OSError) else "there is no such port"
        raise UsageError(f"cannot serve at port {port}: {what}; choose another with --port") from error


class _Handler(SimpleHTTPRequestHandler):
    """Files with the headers that threads need; no listings, and nothing printed."""

    extensions_map: dict[str, str] = {  # noqa: RUF012  # as in the class above
        ".html": "text/html; charset=utf-8",
        ".css": "text/css; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".mjs": "text/javascript; charset=utf-8",
        ".json": "application/json",
        ".wasm": "application/wasm",
        ".jpg": "image/jpeg",
        "": "application/octet-stream",
    }

    def end_headers(self) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def list_directory(self, path: Any) -> None:
        self.send_error(404)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def serve(folder: Path, port: int, announce: Callable[[str], None]) -> None:
    """Serve the page until Ctrl-C, after having told `announce` its address."""
    with make_server(folder, port) as server:
        announce(f"http://{LOOPBACK}:{server.server_port}/")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return
