"""Throughput of the objective: loss and gradient, by every backend."""

import pytest

from bench.suites.cases import Case
from bench.suites.figures import Measure
from bench.suites.objective import OBJECTIVES
from bench.suites.test_extractor import SIZES


@pytest.mark.parametrize("backend", OBJECTIVES)
@pytest.mark.parametrize("size", SIZES)
def test_objective(measure: Measure, size: int, backend: str, device: str) -> None:
    """Measure one evaluation."""
    measure(Case("objective", backend, device, size, size))
