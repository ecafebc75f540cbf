"""What the optimiser itself takes for a step, its memory full, with an objective that costs next to nothing."""

import pytest

from bench.conftest import Measure
from bench.suites.cases import Case
from bench.suites.test_extractor import SIZES
from bench.suites.workloads import OPTIMISERS


@pytest.mark.parametrize("backend", OPTIMISERS)
@pytest.mark.parametrize("size", SIZES)
def test_step(measure: Measure, size: int, backend: str, device: str) -> None:
    """One step."""
    measure(Case("optimiser", backend, device, size, size))
