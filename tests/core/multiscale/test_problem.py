"""The minimisation problem of one scale."""

import numpy as np
import pytest

from core.arrays import Array
from core.errors import StyleTransferError
from core.multiscale.parametrization import Parametrization
from core.multiscale.problem import ScaleProblem
from core.multiscale.schedule import Scale
from core.optim.types import Evaluation, Step

CONTENT = np.random.default_rng(0).random((1, 3, 8, 10), dtype=np.float32)
SCALE = Scale((10, 8), ((10, 8),), 5, padding=2)


class SumOfSquares:
    """The sum of the squares of all values that the network reads, times a factor."""

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor

    def __call__(self, image: Array) -> Evaluation:
        loss = self.factor * float((image.astype(np.float64) ** 2).sum())
        return Evaluation(loss, 2 * self.factor * image, {"content": loss})

    def scaled(self, *, content: float = 1.0, style: float = 1.0, tv: float = 1.0) -> "SumOfSquares":
        return SumOfSquares(self.factor * content)


def problem_of(objective: SumOfSquares) -> ScaleProblem:
    """A problem whose backend stores arrays with their rows reversed."""
    parametrization = Parametrization(CONTENT, luminance_only=True, padding=SCALE.padding)
    return ScaleProblem(SCALE, parametrization, objective, None, lambda pixels: pixels[:, :, ::-1], flipped)


def flipped(array: Array) -> Array:
    return array[:, :, ::-1]


def test_the_image_of_a_step_is_that_of_its_parameters() -> None:
    problem = problem_of(SumOfSquares())
    parameters = np.random.default_rng(1).random((1, 1, 8, 10), dtype=np.float32)
    image = problem.image_of(Step(1, flipped(parameters), 0.0, {}))
    np.testing.assert_array_equal(image, problem.parametrization.to_image(parameters))


def test_an_image_is_evaluated_as_the_network_reads_it() -> None:
    image = np.random.default_rng(1).random((1, 3, 8, 10), dtype=np.float32)
    luminance = np.repeat((image * np.array([0.299, 0.587, 0.114]).reshape(1, 3, 1, 1)).sum(1, keepdims=True), 3, 1)
    found = problem_of(SumOfSquares()).evaluate(image, "the result").gradient / 2
    assert found.shape == (1, 3, 12, 14)
    np.testing.assert_allclose(flipped(found)[:, :, 2:-2, 2:-2], luminance, rtol=1e-3)


def test_a_loss_that_is_not_finite_is_an_error() -> None:
    with pytest.raises(StyleTransferError, match=r"^the loss or the gradient at the result is not finite"):
        problem_of(SumOfSquares(float("nan"))).evaluate(CONTENT, "the result")
