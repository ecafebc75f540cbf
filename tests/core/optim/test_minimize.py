"""The optimiser is the one of the configuration, with its options."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest

from core.config.transfer_config import TransferConfig
from core.optim.adam import adam
from core.optim.lbfgs import lbfgs
from core.optim.minimize import minimize
from core.optim.types import Step
from support.optim_problems import SampledDistance, quadratic

START = np.full(50, 0.3)
ADAM: dict[str, Any] = {"optimizer": "adam", "learning_rate": 0.05, "averaging": 0.7}


@pytest.mark.parametrize(
    ("options", "history", "expected"),
    [
        ({"history": 20}, 3, partial(lbfgs, history=3)),  # that of the memory plan, not that of the configuration
        (ADAM, 20, partial(adam, learning_rate=0.05, averaging=0.7)),
    ],
    ids=["lbfgs", "adam"],
)
def test_steps_are_those_of_the_optimiser(
    options: dict[str, Any], history: int, expected: Callable[..., Iterator[Step]]
) -> None:
    found = [*minimize(quadratic(), START, evaluations=20, config=TransferConfig(**options), history=history)]
    steps = [*expected(quadratic(), START, evaluations=20)]
    assert [step.loss for step in found] == [step.loss for step in steps]
    assert found[-1].loss < found[0].loss
    np.testing.assert_array_equal(found[-1].image, steps[-1].image)


def test_a_run_continues_from_a_step() -> None:
    run = partial(minimize, config=TransferConfig(), history=5, evaluations=12)
    steps = [step.converted(np.copy) for step in run(quadratic(), START)]
    rest = [*run(quadratic(), steps[3].converted(np.copy))]
    assert [step.loss for step in rest] == [step.loss for step in steps[3:]]


def test_a_stochastic_style_loss_is_evaluated_with_the_number_of_each_step(toy_losses: None) -> None:
    objective, config = SampledDistance(), TransferConfig(style_loss="sampled-means", optimizer="adam")
    assert len([*minimize(objective, START, evaluations=4, config=config, history=0)]) == 4
    assert objective.steps == [1, 2, 3, 4]
