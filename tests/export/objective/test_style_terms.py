"""The statistics of the style losses and their weights in a graph against those of `core`."""

import numpy as np
import pytest
import torch

from core.backends.target_parts import factors, joined, parts_of
from core.config.exported_losses import exported_style_losses, exported_target
from core.objective.style_loss import load_style_loss
from export.graph.values import Value
from export.objective.style_terms import STYLE_LOSS_GRAPHS
from support.graphs import computed_exactly
from support.objectives import noise


@pytest.mark.parametrize("contrast", [1.0, 1e-3, 0.0])
@pytest.mark.parametrize("name", exported_style_losses("painter"))
def test_targets_and_weights_equal_those_of_core(name: str, contrast: float) -> None:
    features = 2 + contrast * noise(1, 4, 5, 3)
    parts = parts_of(name, load_style_loss(name).statistic(features).numpy())
    graph, columns = STYLE_LOSS_GRAPHS[name], exported_target(name).columns
    assert graph.statistic is not None
    assert columns is not None

    def build(features: Value) -> dict[str, Value]:
        target = graph.statistic(features)
        return {"target": target, "weight": graph.weights(target, Value.constant(3, np.float64))}

    found = computed_exactly(build, features.numpy())
    assert found["target"].shape == (1, 4, columns(4))
    np.testing.assert_allclose(found["target"], joined(parts), rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(np.atleast_1d(found["weight"]), 3 * factors(parts), rtol=1e-6)


def test_the_loss_of_a_graph_equals_that_of_core_with_the_weights_of_its_own_target() -> None:
    features, style = noise(1, 4, 5, 3), noise(1, 4, 6, 2, seed=1)
    for name in exported_style_losses("painter"):
        graph = STYLE_LOSS_GRAPHS[name]
        expected = load_style_loss(name)
        loss = expected.loss(expected.statistic(features), expected.statistic(style))

        def build(features: Value, style: Value, graph=graph) -> Value:  # type: ignore[no-untyped-def]
            target = graph.statistic(style)
            weight = graph.weights(target, Value.constant(1, np.float64))
            return graph.term(features, target, weight, None)[0]

        found = computed_exactly(build, features.numpy(), style.numpy())
        torch.testing.assert_close(torch.as_tensor(found), loss, rtol=1e-9, atol=0, check_dtype=False)
