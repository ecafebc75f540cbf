"""A run kept in a file as it goes on, so that one that was killed can go on from there. Without PyTorch."""

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

from core.config.transfer_config import TransferConfig
from core.errors import UsageError
from core.files import replacing
from core.optim.types import Step
from core.runs.record import differences

if TYPE_CHECKING:
    from core.runs.progress import Progress

FORMAT = "style-transfer checkpoint 4"
CHECKPOINT_INTERVAL = 30.0
"""Seconds from one checkpoint to the next, unless told otherwise."""

LEAST_PAUSE = 10
"""Between two checkpoints passes at least this many times what the first of them took: large pictures take long."""


@dataclass(frozen=True)
class Saved:
    """Where a run stood: the scale's number, and the evaluations over all scales and over those before this one.

    `losses` are those of the steps before the last, and `seconds` what it all took.
    """

    scale: int
    evaluations: int
    used_before: int
    seconds: float
    losses: list[dict[str, Any]]
    _path: Path
    _numbers: Mapping[str, Any]

    def read_step(self) -> Step:
        """The last step, with NumPy's arrays; read anew each time, so that nothing else keeps them in memory."""
        with _opened(self._path) as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
        return Step(image=tensors.pop("image"), arrays=tensors, **self._numbers)


class Checkpoint:
    """The file that keeps a run: a safetensors file, written whole or not at all, at most every so many seconds.

    It holds the pictures the optimiser goes on from as tensors (1, 3, H, W), and in its metadata the numbers, the
    losses so far, the configuration, the checksums of the pictures, and the versions. A run that goes on from it
    takes the steps that it would have taken: on the same CPU and with the same plan for its memory, bit for bit.

    Raises:
        UsageError: `every` is no number of seconds.
    """

    def __init__(self, path: str | PathLike[str], every: float = CHECKPOINT_INTERVAL) -> None:
        if not (math.isfinite(every) and every >= 0):
            raise UsageError(f"--checkpoint-every is {every}: expected a number of seconds of at least 0")
        self.path, self.every = Path(path), every
        self._about: dict[str, Any] = {}
        self._due = math.inf

    def open(self, config: TransferConfig, about: Mapping[str, Any]) -> Saved | None:
        """Where the run stands that is described, by its configuration and the entries of its record, if it has begun.

        Raises:
            UsageError: The file holds another run, or is damaged.
        """
        self._about = json.loads(json.dumps({**about, "config": config.to_dict()}))
        self._due = time.perf_counter() + self.every
        if not self.path.exists():
            return None
        kept = _read(self.path)
        if found := differences(config, self._about, kept["about"]):
            raise UsageError(
                f"checkpoint {self.path} is of a run that differs in {', '.join(found)}: "
                "give the same pictures and options, or another file"
            )
        where = {name: kept[name] for name in ("scale", "evaluations", "seconds", "losses")}
        used_before = kept["evaluations"] - kept["step"]["evaluations"]
        return Saved(**where, used_before=used_before, _path=self.path, _numbers=kept["step"])

    def keep(self, progress: "Progress", losses: Sequence[Mapping[str, Any]], *, now: bool = False) -> None:
        """Write where the run stands, if it is time or has to be `now`; `losses` are those of all its steps.

        Raises:
            StyleTransferError: The file cannot be written.
        """
        started = time.perf_counter()
        if started < self._due and not now:
            return
        step = progress.numpy_step
        kept = {
            "about": self._about,
            "scale": progress.scale,
            "evaluations": progress.evaluations,
            "seconds": progress.seconds,
            "losses": list(losses[:-1]),
            "step": {name: getattr(step, name) for name in ("evaluations", "loss", "parts", "numbers")},
        }
        _write(self.path, kept, {"image": step.image, **step.arrays})
        finished = time.perf_counter()
        self._due = finished + max(self.every, LEAST_PAUSE * (finished - started))

    def remove(self) -> None:
        """Delete the file: the run is finished and its painting saved."""
        self.path.unlink(missing_ok=True)


def _write(path: Path, kept: Mapping[str, Any], tensors: Mapping[str, Any]) -> None:
    from safetensors.numpy import save_file

    arrays = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    checksums = {name: zlib.crc32(array.data) for name, array in arrays.items()}
    with replacing(path) as temporary:
        save_file(arrays, temporary, {"format": FORMAT, "kept": json.dumps({**kept, "crc32": checksums})})


def _read(path: Path) -> dict[str, Any]:
    """What was kept beside the arrays, which are as they were written; a file that holds anything else is refused."""
    with _opened(path) as file:
        metadata = file.metadata() or {}
        if metadata.get("format") != FORMAT:
            raise UsageError(f"{path} is no checkpoint of this program: give another file")
        kept: dict[str, Any] = json.loads(metadata["kept"])
        checksums = {name: zlib.crc32(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
    if kept["crc32"] != checksums:
        raise UsageError(f"checkpoint {path} is damaged: remove it, or give another file")
    return kept


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            yield file
    except (OSError, SafetensorError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"checkpoint {path} cannot be read ({error}): remove it, or give another file") from error
