"""The optimisers against SciPy's L-BFGS-B, on bounded problems with known answers, on NumPy and on torch."""

from collections.abc import Callable

import numpy as np
import pytest
import scipy.optimize
import torch

from core.errors import StyleTransferError
from core.optim.adam import adam
from core.optim.lbfgs import lbfgs
from core.optim.types import Evaluation, Step


class Counted:
    """An objective from a loss and a gradient in NumPy, for either kind of array, that keeps what it was asked."""

    def __init__(self, loss: Callable, gradient: Callable) -> None:
        self.loss, self.gradient, self.asked = loss, gradient, []

    def __call__(self, image) -> Evaluation:
        values = np.asarray(image)
        self.asked.append(values.copy())
        gradient = self.gradient(values)
        if isinstance(image, torch.Tensor):
            gradient = torch.from_numpy(gradient)
        return Evaluation(float(self.loss(values)), gradient, {"all": float(self.loss(values))})


def quadratic(size: int = 50, seed: int = 0) -> Counted:
    """Ill-conditioned, coupled, its free minimum partly outside the box."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.normal(size=(size, size)))[0]
    matrix = basis @ np.diag(np.geomspace(1, 1000, size)) @ basis.T
    centre = rng.uniform(-0.5, 1.5, size)
    return Counted(lambda x: (x - centre) @ matrix @ (x - centre) / 2, lambda x: matrix @ (x - centre))


def rosenbrock() -> Counted:
    """Scaled so that the valley leads out of the box: the answer lies on a bound."""
    return Counted(lambda x: scipy.optimize.rosen(2 * x), lambda x: 2 * scipy.optimize.rosen_der(2 * x))


def last(steps) -> Step:
    return list(steps)[-1]


def scipy_minimum(objective: Counted, start: np.ndarray) -> float:
    bounds = [(0, 1)] * start.size
    found = scipy.optimize.minimize(
        objective.loss, start, jac=objective.gradient, method="L-BFGS-B", bounds=bounds,
        options={"maxiter": 10_000, "maxfun": 100_000, "ftol": 1e-15, "gtol": 1e-12},
    )  # fmt: skip
    return found.fun


@pytest.mark.parametrize("problem", [quadratic, rosenbrock])
def test_lbfgs_finds_the_bounded_minimum_that_scipy_finds(problem: Callable[[], Counted]) -> None:
    objective = problem()
    start = np.full(50 if problem is quadratic else 10, 0.5)
    best = scipy_minimum(objective, start)
    found = last(lbfgs(objective, start, evaluations=2000))
    assert found.loss == pytest.approx(best, rel=1e-6, abs=1e-8)


def test_lbfgs_needs_no_more_evaluations_than_scipy() -> None:
    objective = quadratic(1000)
    start = np.full(1000, 0.5)
    budget = 60
    bounds = [(0, 1)] * start.size
    options = {"maxfun": budget, "maxcor": 20, "ftol": 0, "gtol": 0}
    theirs = scipy.optimize.minimize(
        objective.loss, start, jac=objective.gradient, method="L-BFGS-B", bounds=bounds, options=options
    )
    ours = last(lbfgs(objective, start, evaluations=budget))
    best = scipy_minimum(objective, start)
    assert ours.loss - best <= 2 * (theirs.fun - best)


@pytest.mark.parametrize("method", [lbfgs, adam])
def test_every_picture_asked_for_lies_in_the_box_and_the_budget_is_kept(method: Callable) -> None:
    objective = quadratic()
    steps = list(method(objective, np.linspace(-1, 2, 50), evaluations=37))
    assert len(objective.asked) == 37 == steps[-1].evaluations
    assert min(a.min() for a in objective.asked) >= 0
    assert max(a.max() for a in objective.asked) <= 1


@pytest.mark.parametrize("method", [lbfgs, adam])
def test_the_best_picture_is_kept(method: Callable) -> None:
    objective = quadratic()
    losses = []
    for step in method(objective, np.full(50, 0.5), evaluations=80):
        losses.append(step.loss)
        assert objective.loss(step.image) == pytest.approx(step.loss)
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] == pytest.approx(min(objective.loss(a) for a in objective.asked))


@pytest.mark.parametrize("method", [lbfgs, adam])
def test_numpy_and_torch_take_the_same_steps(method: Callable) -> None:
    start = np.full(50, 0.5)
    arrays = list(method(quadratic(), start, evaluations=40))
    tensors = list(method(quadratic(), torch.from_numpy(start), evaluations=40))
    assert isinstance(tensors[-1].image, torch.Tensor)
    assert [s.evaluations for s in arrays] == [s.evaluations for s in tensors]
    np.testing.assert_allclose([s.loss for s in tensors], [s.loss for s in arrays], rtol=1e-9)


@pytest.mark.parametrize("method", [lbfgs, adam])
@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_sends_it_back(method: Callable, poison: float) -> None:
    """Beyond 0.6 in the first value the objective breaks: it comes up to there, from 1.96 to 4 * 0.3²."""
    whole = Counted(lambda x: ((x - 0.9) ** 2).sum(), lambda x: 2 * (x - 0.9))
    broken = Counted(lambda x: whole.loss(x) if x[0] <= 0.6 else poison, whole.gradient)
    found = last(method(broken, np.full(4, 0.2), evaluations=200))
    assert found.image[0] <= 0.6
    assert found.loss <= 0.4


def test_a_gradient_that_misleads_ends_the_run_at_the_best_picture() -> None:
    """With the gradient's sign wrong nothing can be gained: restart once, then end, keeping the start."""
    lying = Counted(lambda x: (x**2).sum(), lambda x: -2 * x)
    steps = list(lbfgs(lying, np.full(3, 0.5), evaluations=1000))
    assert steps[-1].loss == pytest.approx(0.75)
    assert len(lying.asked) < 100


@pytest.mark.parametrize("start", [0.7, 0.2])
def test_at_the_minimum_it_ends_instead_of_spending_the_budget(start: float) -> None:
    simple = Counted(lambda x: ((x - 0.7) ** 2).sum(), lambda x: 2 * (x - 0.7))
    found = last(lbfgs(simple, np.full(3, start), evaluations=10_000))
    assert found.loss < 1e-20
    assert len(simple.asked) < 100


def test_a_start_without_a_finite_loss_is_an_error() -> None:
    broken = Counted(lambda x: np.nan, lambda x: x)
    with pytest.raises(StyleTransferError, match="finite"):
        last(lbfgs(broken, np.full(3, 0.5), evaluations=5))


def test_the_first_step_is_guarded() -> None:
    """A gradient of any size: the first picture asked for after the start is near it."""
    steep = Counted(lambda x: 1e9 * ((x - 0.7) ** 2).sum(), lambda x: 2e9 * (x - 0.7))
    list(lbfgs(steep, np.full(100, 0.5), evaluations=2))
    assert np.abs(steep.asked[1] - steep.asked[0]).max() == pytest.approx(0.01)


def test_averaging_is_delivered_when_it_is_better() -> None:
    """Around a sharp valley Adam swings, each value at its own time; the average of its pictures lies lower."""
    sharp = Counted(lambda x: np.abs(x - 0.5).sum(), lambda x: np.sign(x - 0.5 + 1e-9))
    start = np.linspace(0, 1, 40)
    plain = last(adam(sharp, start, evaluations=100, learning_rate=0.13))
    averaged = last(adam(sharp, start, evaluations=100, learning_rate=0.13, averaging=0.9))
    assert averaged.loss < plain.loss


def poisoned(size: int = 50) -> Counted:
    """A quadratic that breaks far from the start, so that both methods come to go back."""
    whole = quadratic(size)
    return Counted(lambda x: whole.loss(x) if x.max() < 0.9 else np.nan, whole.gradient)


@pytest.mark.parametrize("problem", [quadratic, poisoned, rosenbrock])
@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
@pytest.mark.parametrize(
    "method", [lambda *a, **k: lbfgs(*a, **k, history=3), lambda *a, **k: adam(*a, **k, averaging=0.8)]
)
def test_from_any_step_on_it_takes_the_same_steps_again(method: Callable, kind: Callable, problem: Callable) -> None:
    def kept(step: Step) -> Step:
        return step.converted(lambda array: kind(np.asarray(array).copy()))

    whole = [kept(step) for step in method(problem(), kind(np.full(50, 0.3)), evaluations=30)]
    assert len(whole) > 10
    for number, step in enumerate(whole):
        rest = list(method(problem(), kept(step), evaluations=30))
        assert [(s.evaluations, s.loss, s.parts) for s in rest] == [
            (s.evaluations, s.loss, s.parts) for s in whole[number:]
        ]
        for ours, theirs in zip(rest, whole[number:], strict=True):
            np.testing.assert_array_equal(ours.image, theirs.image)
            assert ours.arrays.keys() == theirs.arrays.keys()
