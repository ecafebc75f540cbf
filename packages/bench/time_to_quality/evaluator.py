"""The evaluator: the loss of a delivered image, computed in the same way for every program."""

import math
from collections.abc import Callable, Mapping

import torch

from bench.machine import full_float32
from bench.results import Point
from bench.time_to_quality.task import Task
from core.arrays import Pixels
from core.errors import StyleTransferError

Evaluator = Callable[[Pixels], Mapping[str, float]]
"""Returns the weighted parts of the objective at an image (1, 3, H, W), RGB in [0, 1]."""


def make_evaluator(task: Task) -> Evaluator:
    """Return an evaluator in float32 on the whole image, whatever precision or tiles the programs use."""
    network = task.network()
    with full_float32():
        objective = task.objective(network)

    def evaluate(pixels: Pixels) -> Mapping[str, float]:
        with torch.no_grad(), full_float32():
            return {name: float(value) for name, value in objective.parts(task.tensor(pixels)).items()}

    return evaluate


def loss_point(evaluator: Evaluator, evaluations: int, seconds: float, image: Pixels) -> Point:
    """Return the loss of an image.

    Raises:
        StyleTransferError: The loss is not finite.
    """
    parts = dict(evaluator(image))
    loss = math.fsum(parts.values())
    if not math.isfinite(loss):
        raise StyleTransferError(f"the loss of its image is {loss}")
    return Point(evaluations, seconds, loss, parts)
