"""Recognise errors that mean the memory is exhausted, and raise one error for all of them. Without PyTorch."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from core.errors import StyleTransferError

_MESSAGES = re.compile(r"out of memory|not enough memory|allocate memory|ALLOC_FAILED", re.IGNORECASE)


class OutOfMemoryError(StyleTransferError):
    """An allocation failed."""


def is_out_of_memory(error: Exception) -> bool:
    """Return whether `error` means that memory is exhausted: a MemoryError, or such a RuntimeError of PyTorch."""
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and bool(_MESSAGES.search(str(error))))


@contextmanager
def convert_out_of_memory_errors() -> Iterator[None]:
    """Convert errors of exhausted memory.

    Raises:
        OutOfMemoryError: Memory was exhausted in the block.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemoryError("out of memory at this size: reduce --image-size, --history or --tile-size") from error
