"""Shared parts of the tests of time-to-quality programs."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from bench.time_to_quality.benchmark import SHARED_OBJECTIVE
from bench.time_to_quality.task import Snapshot, Task
from core.arrays import Pixels
from core.config.transfer_config import TransferConfig
from core.image.writing import quantize

SIZE = (48, 32)
SHORT = TransferConfig(image_size=SIZE[0], device="cpu", iterations=6, **SHARED_OBJECTIVE)


def with_evaluations(task: Task, evaluations: int) -> Task:
    return replace(task, evaluations=evaluations)


def noisy_content(task: Task) -> Pixels:
    """An image at which every part of the objective is positive, in steps of 1/255."""
    noise = np.random.default_rng(0).random(task.content.shape, dtype=np.float32)
    return quantize(0.6 * task.content + 0.4 * noise)


def delivered(snapshots: Iterable[Snapshot]) -> Iterator[tuple[int, Pixels]]:
    """Return evaluations and image of every snapshot."""
    for snapshot in snapshots:
        yield snapshot.evaluations, snapshot.deliver()
