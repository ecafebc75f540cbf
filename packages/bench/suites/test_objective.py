"""Throughput of the objective: loss and gradient, through every engine."""

import pytest

from bench.conftest import Measure
from bench.suites.cases import Case
from bench.suites.test_extractor import SIZES
from bench.suites.workloads import OBJECTIVES


@pytest.mark.parametrize("backend", OBJECTIVES)
@pytest.mark.parametrize("size", SIZES)
def test_objective(measure: Measure, size: int, backend: str, device: str) -> None:
    """One evaluation."""
    measure(Case("objective", backend, device, size, size))
