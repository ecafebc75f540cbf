"""The schema accepts what the optimisers yield, and refuses numbers that do not fit together."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from msgspec import ValidationError

from core import schema
from core.optim.adam import adam
from core.optim.lbfgs import lbfgs
from core.optim.types import Step
from core.runs.checkpoint_schema import NUMBERS, LbfgsNumbers, SavedState
from support.optim_problems import last, quadratic, quadratic_with_nan

LBFGS = {"slots": [1, 0], "StY": [[1.0, 0.0], [0.5, 2.0]], "YtH0Y": [[3.0, 0.1], [0.1, 4.0]]}
STATE = {
    "about": {"config": {}},
    "scale": 2,
    "evaluations": 9,
    "seconds": 0.5,
    "losses": [{"scale": 1, "evaluations": 1, "loss": 2.5}],
    "step": {"evaluations": 3, "loss": 1.5, "parts": {"content": 1.0, "style": 0.5}, "numbers": {}},
    "crc32": {"image": 7},
}


@pytest.mark.parametrize(("optimizer", "minimize"), [("lbfgs", lbfgs), ("adam", adam)])
@pytest.mark.parametrize("problem", [quadratic, quadratic_with_nan])
@pytest.mark.parametrize("evaluations", [1, 2, 12])
def test_the_state_of_every_step_is_accepted(
    optimizer: str, minimize: Callable[..., Iterator[Step]], problem: Callable[[], Any], evaluations: int
) -> None:
    step = last(minimize(problem(), np.full(50, 0.3), evaluations=evaluations))
    assert schema.check(dict(step.numbers), NUMBERS[optimizer]).arrays == set(step.arrays)


@pytest.mark.parametrize(
    "change",
    [
        {"slots": [0, 2]},
        {"slots": [0, 0]},
        {"slots": [0, 1, 2]},
        {"slots": [-1, 0]},
        {"StY": [[1.0, 0.0]]},
        {"StY": [[1.0], [0.5, 2.0]]},
        {"YtH0Y": [[3.0]]},
        {"YtH0Y": [[3.0, float("inf")], [0.1, 4.0]]},
        {"pairs": 2},
    ],
)
def test_numbers_of_lbfgs_that_do_not_fit_together_are_refused(change: dict[str, Any]) -> None:
    assert schema.check(LBFGS, LbfgsNumbers).arrays == {"gradient", "s 0", "y 0", "s 1", "y 1"}
    with pytest.raises(ValidationError):
        schema.check(LBFGS | change, LbfgsNumbers)


def test_fewer_pairs_than_the_history_has_slots_are_accepted() -> None:
    assert schema.check(LBFGS | {"slots": [0]}, LbfgsNumbers).arrays == {"gradient", "s 0", "y 0"}
    assert schema.check(LBFGS | {"slots": []}, LbfgsNumbers).arrays == {"gradient"}


@pytest.mark.parametrize("change", [{"evaluations": 2}, {"scale": 0}, {"seconds": -1.0}, {"losses": [{"loss": None}]}])
def test_a_state_that_contradicts_itself_is_refused(change: dict[str, Any]) -> None:
    assert schema.check(STATE, SavedState).step.parts == {"content": 1.0, "style": 0.5}
    with pytest.raises(ValidationError):
        schema.check(STATE | change, SavedState)
