"""Policy of the memory allocator."""

import ctypes
import sys
from contextlib import suppress


def trim_heap() -> None:
    """Return to the system what this process has freed but still holds.

    glibc keeps freed blocks of less than 32 MB behind any that are in use. Features come and go while pictures stay,
    so that without this more and more gaps would stay too. Elsewhere nothing happens.
    """
    if sys.platform == "linux":
        with suppress(AttributeError):  # another C library
            ctypes.CDLL(None).malloc_trim(0)


_TRIM_THRESHOLD, _MMAP_MAX, _USUAL_MMAP_MAX = -1, -4, 65536
"""Parameters of glibc's mallopt, and what the second one begins with."""


class RetainFreed:
    """While a block is entered, memory that is freed stays with this process, ready for what comes next.

    glibc returns blocks of more than 32 MB to the system at once, and for the next one the system clears pages one by
    one: of an evaluation at a megapixel that is a fifth of the time. What stays leaves gaps, up to as much again as is
    in use; `trim_heap` returns it. Elsewhere than on Linux nothing happens.
    """

    def __init__(self) -> None:
        self._entered = 0

    def __enter__(self) -> None:
        self._entered += 1
        if self._entered == 1:
            _set_malloc(_TRIM_THRESHOLD, -1)  # never
            _set_malloc(_MMAP_MAX, 0)

    def __exit__(self, *_: object) -> None:
        self._entered -= 1
        if self._entered == 0:
            _set_malloc(_MMAP_MAX, _USUAL_MMAP_MAX)


RETAIN_FREED = RetainFreed()


def _set_malloc(parameter: int, value: int) -> None:
    if sys.platform == "linux":
        with suppress(AttributeError):  # another C library
            ctypes.CDLL(None).mallopt(parameter, value)
