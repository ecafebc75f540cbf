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

import msgspec
import numpy as np

from core import schema
from core.arrays import Pixels
from core.config.options import real, shown
from core.config.transfer_config import WITHOUT_EFFECT_ON_STEPS, TransferConfig
from core.errors import StyleTransferError, UsageError, first_line
from core.files import check_regular, exists, replacing, sha256_of_bytes
from core.optim.types import Step
from core.runs.checkpoint_schema import NUMBERS, SavedState, SavedStep
from core.runs.record import RunRecord, differences

if TYPE_CHECKING:
    from core.runs.progress import ScaleProgress

FORMAT = "style-transfer checkpoint"
VERSION = "5"

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
    _step: SavedStep
    _optimizer: str

    def read_step(self, shape: tuple[int, ...]) -> Step:
        """Read the last step, with NumPy arrays; every call reads the file, so that no copy stays in memory.

        Args:
            shape: The shape of the parameters, and so of every array.

        Raises:
            UsageError: The arrays or the numbers are not those of such a step.
        """
        with _opened(self._path) as file:
            numbers = schema.check(self._step.numbers, NUMBERS[self._optimizer])
            tensors = {name: _read_array(file, name, shape) for name in ("image", *sorted(numbers.arrays))}
        image = tensors.pop("image")
        return Step(
            self._step.evaluations, image, self._step.loss, self._step.parts, tensors, msgspec.to_builtins(numbers)
        )

    def read_initial(self, shape: tuple[int, ...]) -> Pixels:
        """Read the parameters that the scale started from.

        Raises:
            UsageError: The file has none of this shape.
        """
        with _opened(self._path) as file:
            return _read_array(file, INITIAL, shape)


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
        seconds = real(every)
        if seconds is None or seconds < 0:
            raise UsageError(f"--checkpoint-every is {shown(every)}: expected a number of seconds of at least 0")
        self.path, self.every = Path(path), seconds
        self._about: dict[str, Any] = {}
        self._due = math.inf

    def open(self, config: TransferConfig, about: Mapping[str, Any], scales: int) -> SavedRun | None:
        """Return the saved state of the run with `config` and the record entries `about`, or None if there is no file.

        `scales` is the number of scales of the run.

        Raises:
            UsageError: The file belongs to another run, has another format, or is damaged.
        """
        self._about = json.loads(json.dumps({**about, "config": config.to_dict()}))
        self._due = time.perf_counter() + self.every
        if not exists(self.path):
            return None
        saved = _read(self.path)
        if found := differences(config, self._about, saved.about, WITHOUT_EFFECT_ON_STEPS):
            raise UsageError(
                f"checkpoint {self.path} belongs to a run that differs in {', '.join(found)}: use the same images and "
                "options, or another file"
            )
        if saved.scale > scales or saved.evaluations > config.iterations:
            raise _damaged(self.path)
        return SavedRun(
            scale=saved.scale,
            evaluations=saved.evaluations,
            evaluations_before=saved.evaluations - saved.step.evaluations,
            seconds=saved.seconds,
            losses=saved.losses,
            _path=self.path,
            _step=saved.step,
            _optimizer=config.optimizer,
        )

    def save(self, progress: "ScaleProgress", losses: Sequence[Mapping[str, Any]], *, now: bool = False) -> None:
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
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    arrays = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    checksums = {name: zlib.crc32(array.data) for name, array in arrays.items()}
    state = json.dumps({**entries, "crc32": checksums})
    metadata = {"format": f"{FORMAT} {VERSION}", "state": state, "sha256": sha256_of_bytes(state.encode())}
    try:
        with replacing(path) as temporary:
            save_file(arrays, temporary, metadata)
    except SafetensorError as error:  # for any failed write, such as on a full disk
        raise StyleTransferError(f"cannot write {path}: {error}") from error


def _read(path: Path) -> SavedState:
    """Return the entries beside the arrays, after a check of everything against the checksums."""
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
        text = metadata.get("state", "")
        if metadata.get("sha256") != sha256_of_bytes(text.encode()):
            raise _damaged(path)
        state = schema.check(schema.parse_json(text), SavedState)
        RunRecord.of(state.about)
        checksums = {name: zlib.crc32(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
    if state.crc32 != checksums:
        raise _damaged(path)
    return state


def _read_array(file: Any, name: str, shape: tuple[int, ...]) -> Pixels:
    """Return a tensor of a checkpoint, float32; raise ValueError if it has another type, shape, or is not finite."""
    array: Pixels = file.get_tensor(name)
    if array.dtype != np.float32 or array.shape != shape or not np.isfinite(array).all():
        raise ValueError(f"{name} is not an array of {shape} finite numbers")
    return array


def _damaged(path: Path) -> UsageError:
    return UsageError(f"checkpoint {path} is damaged: remove it, or choose another file")


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    from safetensors import safe_open

    check_regular(path, f"checkpoint {path}")
    try:
        with safe_open(path, framework="numpy") as file:
            yield file
    except UsageError:
        raise
    except Exception as error:  # safetensors raises exceptions of many types for a damaged file
        reason = first_line(error)
        raise UsageError(f"checkpoint {path} cannot be read ({reason}): remove it, or choose another file") from error
