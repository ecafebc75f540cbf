"""Signals that end a run early: Ctrl-C, a closed terminal, the end of a batch job."""

import signal
from types import FrameType
from typing import Self

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGXCPU")
"""Ctrl-C, `kill`, a closed terminal, exhausted computing time. Windows lacks the last two."""

_NOHUP = ("SIGHUP", signal.SIG_IGN)
"""A run that nohup started continues when its terminal is closed."""


class GracefulInterrupt:
    """Context manager that lets a run end at its next step after a signal.

    The first signal sets `requested`. A second Ctrl-C or `kill` raises `KeyboardInterrupt`, once, except after
    `protect`. Further signals of a closed terminal or of exhausted time, which come by themselves, raise nothing.
    """

    def __init__(self) -> None:
        self.requested = False
        self._protected = False

    def protect(self) -> None:
        """Raise nothing from now on, because the result is written next."""
        self._protected = True

    def release(self) -> None:
        """End the effect of `protect`."""
        self._protected = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested and not self._protected and number in (signal.SIGINT, signal.SIGTERM):
            self.protect()
            raise KeyboardInterrupt
        self.requested = True

    def __enter__(self) -> Self:
        numbers = [signal.Signals[name] for name in _NAMES if name in signal.Signals.__members__]
        handled = [number for number in numbers if (number.name, signal.getsignal(number)) != _NOHUP]
        self._previous = {number: signal.signal(number, self._handle) for number in handled}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
