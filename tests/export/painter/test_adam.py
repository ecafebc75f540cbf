"""Adam in a graph takes the steps of `core.optim.adam`."""

import numpy as np
import pytest

from core.optim.adam import adam
from export.painter.adam import GraphAdam
from support.graph_optimizers import START, losses_in_graph, quartic, recorded


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
