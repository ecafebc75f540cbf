"""A problem on which the optimisers in a graph are compared with those in `core.optim`."""

from collections.abc import Callable

import numpy as np

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
    """Return the objective of a run, and the list to which it adds the loss of each evaluation."""
    losses: list[float] = []

    def objective(image: np.ndarray) -> Evaluation:
        with np.errstate(invalid="ignore"):
            loss, gradient = problem(image)
        losses.append(float(loss))
        return Evaluation(losses[-1], gradient, {})

    return objective, losses
