"""Growth of time and memory with the image size, from 0.06 megapixels up."""

import pytest

from bench.suites.cases import Case
from bench.suites.figures import Measure

ROUNDS = 3


@pytest.mark.parametrize(
    "size",
    [
        pytest.param(256, marks=pytest.mark.small),
        pytest.param(512, marks=pytest.mark.medium),
        pytest.param(1024, marks=[pytest.mark.large, pytest.mark.long]),
        pytest.param(2048, marks=[pytest.mark.large, pytest.mark.long]),
        pytest.param(4096, marks=[pytest.mark.large, pytest.mark.long]),
    ],
)
def test_growth(measure: Measure, size: int, device: str) -> None:
    """Measure one evaluation of the default backend, which tiles images that do not fit in memory."""
    measure(Case("growth", "default", device, size, size), rounds=ROUNDS)
