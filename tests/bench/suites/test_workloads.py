"""The suites of growing images measure the objective; the other workloads have tests of their own."""

from pathlib import Path

import numpy as np
import pytest

from bench.suites.cases import Case
from bench.suites.workloads import WORKLOADS, prepare

pytestmark = pytest.mark.usefixtures("tiny_reference")


def test_the_growth_suite_measures_the_objective(tmp_path: Path) -> None:
    growth, objective = (prepare(Case(suite, "fused", "cpu", 48, 32), tmp_path) for suite in ("growth", "objective"))
    found, expected = growth.call(), objective.call()
    growth.check(found)
    assert (found.loss, growth.flop) == (expected.loss, objective.flop)
    np.testing.assert_array_equal(found.gradient, expected.gradient)


def test_every_workload_has_a_suite() -> None:
    suites = Path(__file__).parents[3] / "packages" / "bench" / "suites"
    assert {path.stem.removeprefix("test_") for path in suites.glob("test_*.py")} >= set(WORKLOADS)
