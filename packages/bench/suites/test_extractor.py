"""Throughput of the extractor, forward: VGG-19 to relu5_1 with the default taps, in every way it can run."""

import pytest

from bench.conftest import Measure
from bench.suites.cases import Case
from bench.suites.workloads import EXTRACTORS

SIZES = (
    pytest.param(224, marks=pytest.mark.small),
    pytest.param(512, marks=pytest.mark.medium),
    pytest.param(1024, marks=pytest.mark.large),
)


@pytest.mark.parametrize("backend", EXTRACTORS)
@pytest.mark.parametrize("size", SIZES)
def test_extractor(measure: Measure, size: int, backend: str, device: str) -> None:
    """One forward pass of one picture."""
    measure(Case("extractor", backend, device, size, size))
