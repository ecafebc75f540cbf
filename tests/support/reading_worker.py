"""Read damaged copies of files in a process of its own: `reading_worker.py KIND COUNT FIRST_SEED FILE...`.

Every copy must be read, or refused in one sentence, with little memory and without a file left behind. Prints one JSON
line before every copy, with its file and seed, one line per failure, and at the end of each file how many copies were
read and refused.
"""

import json
import sys
import traceback
import warnings
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from random import Random
from typing import Any

from core.config.transfer_config import TransferConfig
from core.errors import StyleTransferError
from support.mutations import mutate

READING_BYTES = 2**28
"""Memory that reading an image, or a graph, is allowed to take."""

MAX_GROWTH = 2**29
"""Bytes by which the memory of the process may grow while it reads a copy of a file of some kilobytes."""


def read_picture(path: Path, original: Path) -> None:
    from core.image.embedded_record import read_record
    from core.image.reading import read_image, read_mask, read_size
    from core.image.reading_memory import ReadingMemory

    for read in (read_record, read_size, read_mask):
        memory = {} if read is read_record else {"memory": ReadingMemory(READING_BYTES)}
        _is_read(partial(read, path, **memory))
    read_image(path, memory=ReadingMemory(READING_BYTES))


def read_artifact(path: Path, original: Path) -> None:
    import core.artifacts.onnx_session
    from core.artifacts.extractors import open_extractor

    core.artifacts.onnx_session.host_memory = lambda: READING_BYTES
    open_extractor(path, "cpu")


def read_config(path: Path, original: Path) -> None:
    from core.cli.config_file import resolve_config

    resolve_config({}, config_file=path)


def read_checkpoint(path: Path, original: Path) -> None:
    from core.runs.checkpoint import Checkpoint

    config, about, shape = _run_of(original)
    saved = Checkpoint(path).open(config, about, 1)
    assert saved is not None
    saved.read_step(shape)


@cache
def _run_of(checkpoint: Path) -> tuple[TransferConfig, dict[str, Any], tuple[int, ...]]:
    """Return the configuration, the inputs and the shape of the parameters of the run that wrote a checkpoint."""
    from safetensors import safe_open

    with safe_open(checkpoint, framework="numpy") as file:
        about = json.loads(file.metadata()["state"])["about"]
        shape = tuple(file.get_slice("image").get_shape())
    inputs = {name: about[name] for name in ("content", "styles", "files", "backend")}
    return TransferConfig.from_options(about["config"]), inputs, shape


def read_weights(path: Path, original: Path) -> None:
    from core.network.weights import load_weights

    load_weights("vgg19", str(path), "caffe")


READERS: dict[str, Callable[[Path, Path], None]] = {
    "picture": read_picture,
    "artifact": read_artifact,
    "config": read_config,
    "checkpoint": read_checkpoint,
    "weights": read_weights,
}


def _is_read(read: Callable[[], object]) -> bool:
    """Return whether a reader succeeded, or False after a refusal in one sentence."""
    try:
        read()
    except StyleTransferError as error:
        sentence = str(error)
        if not sentence or "\n" in sentence or len(sentence) > 2000:
            raise AssertionError(f"not one sentence: {sentence!r:.300}") from error
        return False
    return True


def main(kind: str, count: int, first: int, originals: list[Path]) -> None:
    """Read the files themselves, then their damaged copies."""
    warnings.simplefilter("ignore")
    read = READERS[kind]
    for original in originals:
        read(original, original)
    for original in originals:
        accepted = sum(_try_copy(read, original, seed) for seed in range(first, first + count))
        _print(file=original.name, read=accepted, refused=count - accepted)


def _try_copy(read: Callable[[Path, Path], None], original: Path, seed: int) -> bool:
    """Return whether a damaged copy was read."""
    _print(file=original.name, seed=seed)
    copy, accepted = Path(original.name), False
    copy.write_bytes(mutate(original.read_bytes(), Random(f"{original.name} {seed}")))
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts at the present memory
    before = _memory("VmRSS")
    try:
        accepted = _is_read(lambda: read(copy, original))
    except BaseException:  # noqa: BLE001 - a panic of a library in Rust is no Exception
        _print(file=original.name, seed=seed, failure=traceback.format_exc())
    if (growth := _memory("VmHWM") - before) > MAX_GROWTH:
        _print(file=original.name, seed=seed, failure=f"took {growth} bytes")
    copy.unlink()
    if others := [path.name for path in Path().iterdir()]:
        _print(file=original.name, seed=seed, failure=f"left {others}")
    return accepted


def _print(**line: object) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _memory(entry: str) -> int:
    """Return the present memory of this process in bytes (VmRSS), or its peak (VmHWM)."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(entry))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    from support.tiny_vgg import use_tiny_vgg

    with use_tiny_vgg():
        main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), list(map(Path, sys.argv[4:])))
