"""Fixtures that the tests of several packages share."""

from collections.abc import Iterator

import pytest

from core.config.style_losses import STYLE_LOSSES
from core.webapp.limits import page_limits, set_limits


@pytest.fixture
def restored_limits() -> Iterator[None]:
    """After the test the page has the limits that it had before."""
    before = page_limits()
    yield
    set_limits(before)


@pytest.fixture
def toy_losses(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Within the test the style losses of `support.toy_losses` are registered."""
    from support.toy_losses import SPECS, register

    for name in list(STYLE_LOSSES):
        monkeypatch.setitem(STYLE_LOSSES, name, STYLE_LOSSES[name])
    register()
    yield
    for spec in SPECS:
        STYLE_LOSSES.pop(spec.name, None)
