"""Checkpoints: the state of a run in a file, to resume from. Without PyTorch."""

import json
import math
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.arrays import Pixels
from core.config.transfer_config import TransferConfig
from core.errors import UsageError
from core.files import check_regular, replacing
from core.optim.types import Step
from core.runs.record import differences

if TYPE_CHECKING:
    from core.runs.progress import Progress

FORMAT = "style-transfer checkpoint"
VERSION = "4"

INITIAL = "initial parameters"
"""The name of the tensor with the parameters that the scale started from, which only some style losses need."""

CHECKPOINT_INTERVAL = 30.0
"""Default number of seconds between two checkpoints."""

MIN_PAUSE_RATIO = 10
"""The pause between two checkpoints is at least this many times the time to write one: large images take long."""


@dataclass(frozen=True)
class SavedRun:
    """The state of a run that a checkpoint holds.

    Attributes:
        scale: Number of the scale, from 1.
        evaluations: Evaluations over all scales.
        evaluations_before: Evaluations over the earlier scales.
        seconds: Duration of the run so far.
        losses: The losses after every step but the last.
    """

    scale: int
    evaluations: int
    evaluations_before: int
    seconds: float
    losses: list[dict[str, Any]]
    _path: Path
    _numbers: Mapping[str, Any]

    def read_step(self) -> Step:
        """Read the last step, with NumPy arrays; every call reads the file, so that no copy stays in memory."""
        with _opened(self._path) as file:
            names = [name for name in file.keys() if name != INITIAL]  # noqa: SIM118 - it is no mapping
            tensors = {name: file.get_tensor(name) for name in names}
        return Step(image=tensors.pop("image"), arrays=tensors, **self._numbers)

    def read_initial(self) -> Pixels | None:
        """Read the parameters that the scale started from; None if the targets do not depend on them."""
        with _opened(self._path) as file:
            return file.get_tensor(INITIAL) if INITIAL in file.keys() else None  # noqa: SIM118 - it is no mapping


class Checkpoint:
    """A safetensors file with the state of a run, replaced as a whole every `every` seconds.

    It contains the arrays of the optimiser as tensors, and in its metadata the numbers of the optimiser, the losses so
    far, the configuration, the checksums of the images and the versions. On the same CPU and with the same memory plan,
    a resumed run takes the same steps as an uninterrupted one, bit for bit.
    """

    def __init__(self, path: str | PathLike[str], every: float = CHECKPOINT_INTERVAL) -> None:
        """Create a checkpoint at `path`.

        Raises:
            UsageError: `every` is not a number of seconds.
        """
        if not (math.isfinite(every) and every >= 0):
            raise UsageError(f"--checkpoint-every is {every}: expected a number of seconds of at least 0")
        self.path, self.every = Path(path), every
        self._about: dict[str, Any] = {}
        self._due = math.inf

    def open(self, config: TransferConfig, about: Mapping[str, Any]) -> SavedRun | None:
        """Return the saved state of the run with `config` and the record entries `about`, or None if there is no file.

        Raises:
            UsageError: The file belongs to another run, has another format, or is damaged.
        """
        self._about = json.loads(json.dumps({**about, "config": config.to_dict()}))
        self._due = time.perf_counter() + self.every
        if not self.path.exists():
            return None
        saved = _read(self.path)
        if found := differences(config, self._about, saved["about"]):
            raise UsageError(
                f"checkpoint {self.path} belongs to a run that differs in {', '.join(found)}: use the same images and "
                "options, or another file"
            )
        entries = {name: saved[name] for name in ("scale", "evaluations", "seconds", "losses")}
        before = saved["evaluations"] - saved["step"]["evaluations"]
        return SavedRun(**entries, evaluations_before=before, _path=self.path, _numbers=saved["step"])

    def save(self, progress: "Progress", losses: Sequence[Mapping[str, Any]], *, now: bool = False) -> None:
        """Write the state of the run if the interval has passed, or `now`; `losses` are those of all its steps.

        Raises:
            StyleTransferError: The file cannot be written.
        """
        started = time.perf_counter()
        if started < self._due and not now:
            return
        step = progress.numpy_step
        entries = {
            "about": self._about,
            "scale": progress.scale,
            "evaluations": progress.evaluations,
            "seconds": progress.seconds,
            "losses": list(losses[:-1]),
            "step": {name: getattr(step, name) for name in ("evaluations", "loss", "parts", "numbers")},
        }
        tensors = {"image": step.image, **step.arrays}
        if progress.initial_parameters is not None:
            tensors[INITIAL] = progress.initial_parameters
        _write(self.path, entries, tensors)
        finished = time.perf_counter()
        self._due = finished + max(self.every, MIN_PAUSE_RATIO * (finished - started))

    def remove(self) -> None:
        """Delete the file."""
        self.path.unlink(missing_ok=True)


def _write(path: Path, entries: Mapping[str, Any], tensors: Mapping[str, Any]) -> None:
    from safetensors.numpy import save_file

    arrays = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    checksums = {name: zlib.crc32(array.data) for name, array in arrays.items()}
    state = json.dumps({**entries, "crc32": checksums})
    with replacing(path) as temporary:
        save_file(arrays, temporary, {"format": f"{FORMAT} {VERSION}", "state": state})


def _read(path: Path) -> dict[str, Any]:
    """Return the entries beside the arrays, after a check of the arrays against their checksums."""
    with _opened(path) as file:
        metadata = file.metadata() or {}
        found = metadata.get("format", "")
        if not found.startswith(FORMAT):
            raise UsageError(f"{path} is not a checkpoint of this program: choose another file")
        if found != f"{FORMAT} {VERSION}":
            raise UsageError(
                f"checkpoint {path} has format {found.removeprefix(FORMAT).strip()}, and this version of the program "
                f"reads format {VERSION}: remove the file, or resume with the version that wrote it"
            )
        state: dict[str, Any] = json.loads(metadata["state"])
        checksums = {name: zlib.crc32(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
    if state["crc32"] != checksums:
        raise UsageError(f"checkpoint {path} is damaged: remove it, or choose another file")
    return state


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    from safetensors import SafetensorError, safe_open

    check_regular(path, f"checkpoint {path}")
    try:
        with safe_open(path, framework="numpy") as file:
            yield file
    except (OSError, SafetensorError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"checkpoint {path} cannot be read ({error}): remove it, or choose another file") from error
