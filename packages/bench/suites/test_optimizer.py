"""Cost of the optimiser itself: one step with a full history and an objective that costs next to nothing."""

import pytest

from bench.suites.cases import Case
from bench.suites.figures import Measure
from bench.suites.optimizer import OPTIMIZERS
from bench.suites.test_extractor import SIZES


@pytest.mark.parametrize("backend", OPTIMIZERS)
@pytest.mark.parametrize("size", SIZES)
def test_step(measure: Measure, size: int, backend: str, device: str) -> None:
    """Measure one step."""
    measure(Case("optimizer", backend, device, size, size))
