"""L-BFGS in a graph takes the steps of `core.optim.lbfgs`."""

import numpy as np
import pytest

from core.optim.lbfgs import lbfgs
from export.painter.lbfgs import GraphLBFGS
from support.graph_optimizers import START, Problem, losses_in_graph, quartic, recorded, undefined_where_bright


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
