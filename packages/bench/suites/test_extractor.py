"""Throughput of the extractor: a forward pass of VGG-19 up to relu5_1 with the default taps, by every backend."""

import pytest

from bench.suites.cases import Case
from bench.suites.extractor import EXTRACTORS
from bench.suites.figures import Measure

SIZES = (
    pytest.param(224, marks=pytest.mark.small),
    pytest.param(512, marks=pytest.mark.medium),
    pytest.param(1024, marks=pytest.mark.large),
)


@pytest.mark.parametrize("backend", EXTRACTORS)
@pytest.mark.parametrize("size", SIZES)
def test_extractor(measure: Measure, size: int, backend: str, device: str) -> None:
    """Measure one forward pass of one image."""
    measure(Case("extractor", backend, device, size, size))
