"""Bounded problems with known minima for tests of the optimizers."""

from collections.abc import Callable, Iterator

import numpy as np
import scipy.optimize
import torch

from core.arrays import Array
from core.optim.types import Evaluation, Objective, Step


class RecordingObjective:
    """An objective from a loss and a gradient in NumPy, for NumPy and torch, that records where it is evaluated."""

    def __init__(self, loss: Callable, gradient: Callable) -> None:
        self.loss, self.gradient, self.images = loss, gradient, []

    def __call__(self, image: Array) -> Evaluation:
        values = np.asarray(image)
        self.images.append(values.copy())
        gradient = self.gradient(values)
        if isinstance(image, torch.Tensor):
            gradient = torch.from_numpy(gradient)
        return Evaluation(float(self.loss(values)), gradient, {"all": float(self.loss(values))})


def quadratic(size: int = 50, seed: int = 0) -> RecordingObjective:
    """Ill-conditioned and coupled; its unbounded minimum is partly outside [0, 1]."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.normal(size=(size, size)))[0]
    matrix = basis @ np.diag(np.geomspace(1, 1000, size)) @ basis.T
    center = rng.uniform(-0.5, 1.5, size)
    return RecordingObjective(lambda x: (x - center) @ matrix @ (x - center) / 2, lambda x: matrix @ (x - center))


def rosenbrock() -> RecordingObjective:
    """Scaled so that the valley leaves [0, 1]: the minimum is at a bound."""
    return RecordingObjective(lambda x: scipy.optimize.rosen(2 * x), lambda x: 2 * scipy.optimize.rosen_der(2 * x))


def quadratic_with_nan(size: int = 50) -> RecordingObjective:
    """A quadratic that is not finite far from the start, so that steps are rejected."""
    whole = quadratic(size)
    return RecordingObjective(lambda x: whole.loss(x) if x.max() < 0.9 else np.nan, whole.gradient)


class SampledDistance:
    """Half the squared distance to 0.7 at a sample of the values, and an offset, that both depend on the step."""

    def __init__(self, offset: Callable[[int], float] = float) -> None:
        self.offset, self.steps = offset, []

    def at_step(self, step: int) -> Objective:
        def evaluate(image: Array) -> Evaluation:
            self.steps.append(step)
            sample = torch.from_numpy(np.random.default_rng(step).random(image.shape) < 0.5)
            if isinstance(image, np.ndarray):
                sample = sample.numpy()
            residual = (image - 0.7) * sample
            loss = float((residual * residual).sum()) / 2 + self.offset(step)
            return Evaluation(loss, residual, {"all": loss})

        return evaluate

    def __call__(self, image: Array) -> Evaluation:
        raise AssertionError("evaluated without a step")


def last(steps: Iterator[Step]) -> Step:
    return list(steps)[-1]


def assert_resumable(
    minimize: Callable[..., Iterator[Step]], problem: Callable[[], Callable], kind: Callable[[np.ndarray], Array]
) -> None:
    """Check that a run from any of its steps yields the same steps, bit for bit."""

    def copied(step: Step) -> Step:
        return step.converted(lambda array: kind(np.asarray(array).copy()))

    steps = [copied(step) for step in minimize(problem(), kind(np.full(50, 0.3)), evaluations=30)]
    assert len(steps) > 10
    for number, step in enumerate(steps):
        resumed = list(minimize(problem(), copied(step), evaluations=30))
        assert len(resumed) == len(steps) - number
        for found, expected in zip(resumed, steps[number:], strict=True):
            assert (found.evaluations, found.loss, found.parts) == (
                expected.evaluations,
                expected.loss,
                expected.parts,
            )
            np.testing.assert_array_equal(found.image, expected.image)
            assert found.arrays.keys() == expected.arrays.keys()
