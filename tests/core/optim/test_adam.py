"""Adam on bounded problems with known minima and on stochastic objectives, with NumPy and torch."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch

from core.arrays import Array
from core.errors import StyleTransferError
from core.optim.adam import adam
from core.optim.types import Evaluation, Objective, Step
from support.optim_problems import (
    RecordingObjective,
    SampledDistance,
    assert_resumable,
    last,
    quadratic,
    quadratic_with_nan,
    rosenbrock,
)


def test_the_first_two_updates_are_those_of_the_paper() -> None:
    """Algorithm 1 with constant gradients: the bias-corrected moments are g and g², so that each step is alpha."""
    objective = RecordingObjective(lambda x: 3 * x.sum(), lambda x: np.full_like(x, 3.0))
    list(adam(objective, np.full(2, 0.5), evaluations=3, learning_rate=0.1))
    np.testing.assert_allclose([image[0] for image in objective.images], [0.5, 0.4, 0.3], rtol=1e-7)


def test_adam_evaluates_only_inside_the_box_and_within_the_budget() -> None:
    objective = quadratic()
    steps = list(adam(objective, np.linspace(-1, 2, 50), evaluations=37))
    assert len(objective.images) == 37 == steps[-1].evaluations
    assert min(image.min() for image in objective.images) >= 0
    assert max(image.max() for image in objective.images) <= 1


def test_adam_delivers_the_image_with_the_lowest_loss() -> None:
    objective, losses = quadratic(), []
    for step in adam(objective, np.full(50, 0.5), evaluations=80):
        losses.append(step.loss)
        assert objective.loss(step.image) == pytest.approx(step.loss)
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] == pytest.approx(min(objective.loss(image) for image in objective.images))


def test_adam_takes_the_same_steps_with_numpy_and_torch() -> None:
    start = np.full(50, 0.5)
    arrays = list(adam(quadratic(), start, evaluations=40))
    tensors = list(adam(quadratic(), torch.from_numpy(start), evaluations=40))
    assert isinstance(tensors[-1].image, torch.Tensor)
    assert [step.evaluations for step in arrays] == [step.evaluations for step in tensors]
    np.testing.assert_allclose([step.loss for step in tensors], [step.loss for step in arrays], rtol=1e-9)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_adam_returns_to_the_best_image_after_a_loss_that_is_not_finite(value: float) -> None:
    """The loss is not finite beyond 0.6 in the first value: it can decrease from 1.96 to 4 * 0.3²."""
    finite = RecordingObjective(lambda x: ((x - 0.9) ** 2).sum(), lambda x: 2 * (x - 0.9))
    objective = RecordingObjective(lambda x: finite.loss(x) if x[0] <= 0.6 else value, finite.gradient)
    found = last(adam(objective, np.full(4, 0.2), evaluations=200))
    assert found.image[0] <= 0.6
    assert found.loss <= 0.4


def test_adam_raises_for_a_start_whose_loss_is_not_finite() -> None:
    objective = RecordingObjective(lambda x: np.nan, lambda x: x)
    with pytest.raises(StyleTransferError, match="not finite"):
        last(adam(objective, np.full(3, 0.5), evaluations=5))


def test_the_average_of_the_images_is_delivered_if_its_loss_is_lower() -> None:
    """Around a minimum with a kink every value oscillates with its own phase; the average image has a lower loss."""
    objective = RecordingObjective(lambda x: np.abs(x - 0.5).sum(), lambda x: np.sign(x - 0.5 + 1e-9))
    start = np.linspace(0, 1, 40)
    plain = last(adam(objective, start, evaluations=100, learning_rate=0.13))
    averaged = last(adam(objective, start, evaluations=100, learning_rate=0.13, averaging=0.9))
    assert averaged.loss < plain.loss


@pytest.mark.parametrize("problem", [quadratic, quadratic_with_nan, rosenbrock])
@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_adam_resumes_from_any_step(kind: Callable, problem: Callable) -> None:
    assert_resumable(partial(adam, averaging=0.8), problem, kind)


def test_stochastic_adam_evaluates_at_every_step_number_once() -> None:
    objective = SampledDistance()
    list(adam(objective, np.full(50, 0.3), evaluations=12, stochastic=True))
    assert objective.steps == list(range(1, 13))


def test_stochastic_adam_delivers_the_latest_image() -> None:
    """The losses grow with the step number although the image approaches the minimum."""
    steps = list(adam(SampledDistance(), np.full(50, 0.3), evaluations=200, stochastic=True))
    assert [step.evaluations for step in steps] == list(range(1, 201))
    assert steps[-1].loss > steps[0].loss
    np.testing.assert_allclose(steps[-1].image, 0.7, atol=0.01)


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_stochastic_adam_resumes_from_any_step(kind: Callable) -> None:
    assert_resumable(partial(adam, averaging=0.8, stochastic=True), SampledDistance, kind)


def test_stochastic_adam_delivers_the_average_of_the_images() -> None:
    """The last evaluation is made at the average, and its image delivered whatever the loss."""
    steps = list(adam(SampledDistance(), np.full(50, 0.3), evaluations=5, averaging=0.5, stochastic=True))
    images = [step.image for step in steps]
    # The fifth update is not delivered itself, but it is part of the average with the largest weight.
    without = list(adam(SampledDistance(), np.full(50, 0.3), evaluations=5, stochastic=True))
    updates = [*images[1:4], without[4].image]
    weights = np.array([0.5**4, 0.5**3, 0.5**2, 0.5])
    expected = sum(weight * update for weight, update in zip(weights, updates, strict=True)) / weights.sum()
    np.testing.assert_allclose(images[4], expected, rtol=1e-12)


def test_stochastic_adam_returns_to_the_latest_finite_image() -> None:
    objective = SampledDistance(lambda step: 0.0)
    failed = []

    class FailsOnce(SampledDistance):
        def at_step(self, step: int) -> Objective:
            def evaluate(image: Array) -> Evaluation:
                if step == 4 and not failed:
                    failed.append(step)
                    return Evaluation(float("nan"), image * 0, {"all": float("nan")})
                return objective.at_step(step)(image)

            return evaluate

    steps: list[Step] = list(adam(FailsOnce(), np.full(50, 0.3), evaluations=6, stochastic=True))
    assert failed == [4]
    np.testing.assert_array_equal(steps[3].image, steps[2].image)
    assert steps[3].numbers["learning_rate"] == steps[2].numbers["learning_rate"] / 2
    assert objective.steps == [1, 2, 3, 4, 5, 6]
