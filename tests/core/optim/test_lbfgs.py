"""Projected L-BFGS against SciPy's L-BFGS-B, on bounded problems with known minima, with NumPy and torch."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import scipy.optimize
import torch

from core.errors import StyleTransferError
from core.optim.constants import LBFGS
from core.optim.lbfgs import free_mask, lbfgs, quadratic_interpolation_factor
from support.optim_problems import (
    RecordingObjective,
    assert_resumable,
    last,
    quadratic,
    quadratic_with_nan,
    rosenbrock,
)


def scipy_minimum(objective: RecordingObjective, start: np.ndarray) -> float:
    found = scipy.optimize.minimize(
        objective.loss, start, jac=objective.gradient, method="L-BFGS-B", bounds=[(0, 1)] * start.size,
        options={"maxiter": 10_000, "maxfun": 100_000, "ftol": 1e-15, "gtol": 1e-12},
    )  # fmt: skip
    return found.fun


@pytest.mark.parametrize("problem", [quadratic, rosenbrock])
def test_lbfgs_finds_the_bounded_minimum_that_scipy_finds(problem: Callable[[], RecordingObjective]) -> None:
    objective = problem()
    start = np.full(50 if problem is quadratic else 10, 0.5)
    expected = scipy_minimum(objective, start)
    assert last(lbfgs(objective, start, evaluations=2000)).loss == pytest.approx(expected, rel=1e-6, abs=1e-8)


def test_lbfgs_needs_no_more_evaluations_than_scipy() -> None:
    objective, start, budget = quadratic(300), np.full(300, 0.5), 60
    options = {"maxfun": budget, "maxcor": 20, "ftol": 0, "gtol": 0}
    baseline = scipy.optimize.minimize(
        objective.loss, start, jac=objective.gradient, method="L-BFGS-B", bounds=[(0, 1)] * 300, options=options
    )
    found = last(lbfgs(objective, start, evaluations=budget))
    minimum = scipy_minimum(objective, start)
    assert found.loss - minimum <= 2 * (baseline.fun - minimum)


def test_lbfgs_evaluates_only_inside_the_box_and_within_the_budget() -> None:
    objective = quadratic()
    steps = list(lbfgs(objective, np.linspace(-1, 2, 50), evaluations=37))
    assert len(objective.images) == 37 == steps[-1].evaluations
    assert min(image.min() for image in objective.images) >= 0
    assert max(image.max() for image in objective.images) <= 1


def test_lbfgs_steps_have_decreasing_losses() -> None:
    objective, losses = quadratic(), []
    for step in lbfgs(objective, np.full(50, 0.5), evaluations=80):
        losses.append(step.loss)
        assert objective.loss(step.image) == pytest.approx(step.loss)
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] == pytest.approx(min(objective.loss(image) for image in objective.images))


def test_lbfgs_takes_the_same_steps_with_numpy_and_torch() -> None:
    start = np.full(50, 0.5)
    arrays = list(lbfgs(quadratic(), start, evaluations=40))
    tensors = list(lbfgs(quadratic(), torch.from_numpy(start), evaluations=40))
    assert isinstance(tensors[-1].image, torch.Tensor)
    assert [step.evaluations for step in arrays] == [step.evaluations for step in tensors]
    np.testing.assert_allclose([step.loss for step in tensors], [step.loss for step in arrays], rtol=1e-9)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_lbfgs_rejects_steps_to_a_loss_that_is_not_finite(value: float) -> None:
    """The loss is not finite beyond 0.6 in the first value: it can decrease from 1.96 to 4 * 0.3²."""
    finite = RecordingObjective(lambda x: ((x - 0.9) ** 2).sum(), lambda x: 2 * (x - 0.9))
    objective = RecordingObjective(lambda x: finite.loss(x) if x[0] <= 0.6 else value, finite.gradient)
    found = last(lbfgs(objective, np.full(4, 0.2), evaluations=200))
    assert found.image[0] <= 0.6
    assert found.loss <= 0.4


def test_lbfgs_ends_at_the_best_image_if_no_step_decreases_the_loss() -> None:
    """With the wrong sign of the gradient: the history is cleared once, then the iteration ends at the start."""
    objective = RecordingObjective(lambda x: (x**2).sum(), lambda x: -2 * x)
    steps = list(lbfgs(objective, np.full(3, 0.5), evaluations=1000))
    assert steps[-1].loss == pytest.approx(0.75)
    assert len(objective.images) < 100


@pytest.mark.parametrize("start", [0.7, 0.2])
def test_lbfgs_ends_at_the_minimum_before_the_budget_is_used(start: float) -> None:
    objective = RecordingObjective(lambda x: ((x - 0.7) ** 2).sum(), lambda x: 2 * (x - 0.7))
    found = last(lbfgs(objective, np.full(3, start), evaluations=10_000))
    assert found.loss < 1e-20
    assert len(objective.images) < 100


def test_lbfgs_raises_for_a_start_whose_loss_is_not_finite() -> None:
    objective = RecordingObjective(lambda x: np.nan, lambda x: x)
    with pytest.raises(StyleTransferError, match="not finite"):
        last(lbfgs(objective, np.full(3, 0.5), evaluations=5))


def test_the_first_step_has_a_fixed_size() -> None:
    objective = RecordingObjective(lambda x: 1e9 * ((x - 0.7) ** 2).sum(), lambda x: 2e9 * (x - 0.7))
    list(lbfgs(objective, np.full(100, 0.5), evaluations=2))
    assert np.abs(objective.images[1] - objective.images[0]).max() == pytest.approx(LBFGS.initial_step_rms)


@pytest.mark.parametrize("problem", [quadratic, quadratic_with_nan, rosenbrock])
@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_lbfgs_resumes_from_any_step(kind: Callable, problem: Callable) -> None:
    assert_resumable(partial(lbfgs, history=3), problem, kind)


def test_free_mask_excludes_values_at_a_bound_whose_descent_direction_leaves_the_box() -> None:
    image = np.array([0.0, 0.0, 1.0, 1.0, 0.5, 0.5])
    gradient = np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
    assert free_mask(image, gradient).tolist() == [False, True, True, False, True, True]


@pytest.mark.parametrize(
    ("new_loss", "slope", "factor"),
    [
        (2.0, -4.0, 4 / (2 * (2 - 1 + 4))),  # the parabola 1 - 4t + 5t² has its minimum at 0.4
        (1.0, -1.0, LBFGS.max_shrinkage),  # minimum at 0.5
        (0.5, -1.0, LBFGS.max_shrinkage),  # minimum at 1, clamped
        (1e9, -1.0, LBFGS.min_shrinkage),  # minimum near 0, clamped
        (-1.0, -1.0, LBFGS.min_shrinkage),  # no minimum
        (np.nan, -1.0, LBFGS.min_shrinkage),
    ],
)
def test_quadratic_interpolation_factor(new_loss: float, slope: float, factor: float) -> None:
    assert quadratic_interpolation_factor(1.0, new_loss, slope) == pytest.approx(factor)
