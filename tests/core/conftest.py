"""Fixtures that the tests of several packages share."""

from collections.abc import Iterator

import pytest

from core.webapp.limits import page_limits, set_limits


@pytest.fixture
def restored_limits() -> Iterator[None]:
    """After the test the page has the limits that it had before."""
    before = page_limits()
    yield
    set_limits(before)
