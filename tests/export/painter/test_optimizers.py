"""The optimisers in a graph take the steps of those in `core.optim`."""

from collections.abc import Callable

import numpy as np
import pytest

from core.optim.adam import adam
from core.optim.lbfgs import lbfgs
from core.optim.types import Evaluation
from export.graph.control_flow import loop
from export.graph.values import Value, where
from export.painter.adam import GraphAdam
from export.painter.lbfgs import GraphLBFGS
from support.graphs import computed

SHAPE = (1, 3, 5, 6)
GENERATOR = np.random.default_rng(1)
TARGET = GENERATOR.uniform(-0.3, 1.3, SHAPE).astype(np.float32)  # some minima lie outside the box
CURVATURE = GENERATOR.uniform(0.1, 30, SHAPE).astype(np.float32)
START = GENERATOR.random(SHAPE, dtype=np.float32)

Problem = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Returns loss and gradient; works on arrays and on values."""


def quartic(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A convex function that is far from quadratic, so that many steps are too long."""
    difference = image - TARGET
    square = difference * difference
    return (CURVATURE * square * square).sum(), CURVATURE * square * difference * 4


def undefined_where_bright(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`quartic`, not a number where the first pixel is above its start."""
    loss, gradient = quartic(image)
    return loss + np.sqrt(START.flat[0] + 0.001 - image.flat[0]) * 0, gradient


def losses_in_graph(optimizer: GraphLBFGS | GraphAdam, problem: str, evaluations: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the loss of each evaluation, and the best image."""

    def build(start: Value, count: Value) -> dict[str, Value]:
        target, curvature = Value.constant(TARGET, np.float32), Value.constant(CURVATURE, np.float32)

        def body(_: Value, state: dict[str, Value]) -> tuple[Value, dict[str, Value], list[Value]]:
            image = optimizer.candidate(state)
            difference = image - target
            square = difference * difference
            loss, gradient = (curvature * square * square).sum(), curvature * square * difference * 4
            if problem == "undefined_where_bright":
                first = image.reshape(-1).take(0)
                loss = where(first > float(START.flat[0]) + 0.001, Value.constant(np.nan, np.float32), loss)
            return state["converged"].equals(0), optimizer.update(state, image, loss, gradient), [loss]

        state, (losses,) = loop(count, optimizer.start(start), body)
        return {"image": state["image"].reshape(*SHAPE), "losses": losses}

    found = computed(build, START, np.int64(evaluations))
    return found["losses"], found["image"]


def recorded(problem: Problem) -> tuple[Callable[[np.ndarray], Evaluation], list[float]]:
    losses: list[float] = []

    def objective(image: np.ndarray) -> Evaluation:
        with np.errstate(invalid="ignore"):
            loss, gradient = problem(image)
        losses.append(float(loss))
        return Evaluation(losses[-1], gradient, {})

    return objective, losses


@pytest.mark.parametrize("history", [1, 4, 20])
@pytest.mark.parametrize("problem", [quartic, undefined_where_bright])
def test_lbfgs_takes_the_steps_of_a_run(problem: Problem, history: int) -> None:
    objective, expected = recorded(problem)
    steps = list(lbfgs(objective, START, evaluations=15, history=history))
    losses, image = losses_in_graph(GraphLBFGS(history), problem.__name__, 15)
    np.testing.assert_allclose(losses, expected, rtol=2e-3)
    np.testing.assert_allclose(image, steps[-1].image, atol=2e-3)
    assert min(expected) < expected[0] / 2


def test_lbfgs_forgets_its_pairs_and_then_gives_up() -> None:
    """At the minimum no step lowers the loss: the graph ends as the run does."""
    objective, expected = recorded(quartic)
    list(lbfgs(objective, START, evaluations=400))
    losses, _ = losses_in_graph(GraphLBFGS(20), "quartic", 400)
    assert len(expected) < 400
    assert len(losses) < 400
    assert np.nanmin(losses) == pytest.approx(min(expected), rel=1e-5)


def test_adam_takes_the_steps_of_a_run() -> None:
    objective, expected = recorded(quartic)
    steps = list(adam(objective, START, evaluations=25, learning_rate=0.05))
    losses, image = losses_in_graph(GraphAdam(0.05), "quartic", 25)
    np.testing.assert_allclose(losses, expected, rtol=1e-4)
    np.testing.assert_allclose(image, steps[-1].image, atol=1e-4)


def test_adam_returns_to_the_best_image_after_an_undefined_loss() -> None:
    losses, image = losses_in_graph(GraphAdam(0.05), "undefined_where_bright", 40)
    assert np.isnan(losses).any()
    assert np.nanmin(losses) < losses[0]
    loss, _ = quartic(image)
    assert loss == pytest.approx(np.nanmin(losses), rel=1e-5)
