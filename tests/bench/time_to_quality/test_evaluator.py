"""The evaluator computes the objective that the programs minimise."""

import pytest

from bench.time_to_quality.evaluator import make_evaluator
from bench.time_to_quality.task import Task
from core.backends.base import default_backend
from support.backends import objective_of
from support.quality_tasks import SHORT, noisy_content


@pytest.mark.parametrize("program", ["toolkit", "plain-lbfgs and adam"])
def test_evaluator_equals_the_objective_of_the_programs(task: Task, program: str) -> None:
    image = noisy_content(task)
    parts = make_evaluator(task)(image)
    objective = (
        objective_of(default_backend(SHORT), task.content, task.style)
        if program == "toolkit"
        else task.objective(task.network())
    )
    evaluation = objective(task.tensor(image))
    assert evaluation.loss == pytest.approx(sum(parts.values()), rel=1e-5)
    assert evaluation.parts == pytest.approx(parts, rel=1e-5)
