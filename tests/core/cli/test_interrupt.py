import signal
from collections.abc import Iterator

import pytest

from core.cli.interrupt import GracefulInterrupt

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has other signals")


@pytest.fixture(autouse=True)
def default_hangup() -> Iterator[None]:
    """The handler of a terminal, also where the tests themselves are run by nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def ignored_hangup(default_hangup: None) -> Iterator[None]:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGXCPU])
def test_first_signal_requests_the_end_and_handlers_are_restored(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with GracefulInterrupt() as interrupt:
        assert not interrupt.requested
        signal.raise_signal(number)
        assert interrupt.requested
    assert signal.getsignal(number) == before


def test_second_signal_raises_once() -> None:
    with GracefulInterrupt() as interrupt:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        interrupt.release()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)


def test_protected_block_is_not_interrupted() -> None:
    with GracefulInterrupt() as interrupt:
        interrupt.protect()
        for _ in range(3):
            signal.raise_signal(signal.SIGINT)
        assert interrupt.requested


def test_a_closed_terminal_may_send_several_signals() -> None:
    with GracefulInterrupt() as interrupt:
        for _ in range(3):
            signal.raise_signal(signal.SIGHUP)
        assert interrupt.requested


@pytest.mark.usefixtures("ignored_hangup")
def test_a_run_of_nohup_continues() -> None:
    with GracefulInterrupt() as interrupt:
        signal.raise_signal(signal.SIGHUP)
        assert not interrupt.requested
