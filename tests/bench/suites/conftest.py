"""Fixtures of the workload tests."""

from collections.abc import Iterator

import pytest

from bench.suites import reference
from support.tiny_vgg import use_tiny_vgg


@pytest.fixture
def tiny_reference() -> Iterator[None]:
    """The tiny VGG, for the workloads and for the cached reference."""
    caches = reference.reference_features, reference.reference_evaluation
    for cached in caches:
        cached.cache_clear()
    with use_tiny_vgg():
        yield
    for cached in caches:
        cached.cache_clear()
