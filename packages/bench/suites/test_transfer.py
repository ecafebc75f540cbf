"""Duration of whole runs of `core.style_transfer`: targets, every scale, and the final image."""

import pytest

from bench.suites.cases import Case
from bench.suites.figures import Measure

ROUNDS = 3


@pytest.mark.parametrize(
    ("size", "backend"),
    [
        pytest.param(128, "20", marks=pytest.mark.small),
        pytest.param(256, "50", marks=pytest.mark.medium),
        pytest.param(512, "200", marks=[pytest.mark.medium, pytest.mark.long]),
    ],
)
def test_transfer(measure: Measure, size: int, backend: str, device: str) -> None:
    """Measure a run of `backend` evaluations; the default run is 200 at 512 pixels."""
    measure(Case("transfer", backend, device, size, size), rounds=ROUNDS)
