"""Turn out-of-memory errors into one sentence. Without PyTorch."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from core.errors import StyleTransferError

if TYPE_CHECKING:
    pass

_EXHAUSTED = re.compile(r"out of memory|not enough memory|allocate memory|ALLOC_FAILED", re.IGNORECASE)


class OutOfMemoryError(StyleTransferError):
    """The memory did not suffice for what was tried."""


def is_out_of_memory(error: Exception) -> bool:
    """Whether it says that the memory does not suffice: a MemoryError, or the RuntimeError that PyTorch makes of it."""
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and bool(_EXHAUSTED.search(str(error))))


@contextmanager
def raise_out_of_memory() -> Iterator[None]:
    """One sentence where the memory does not suffice.

    Raises:
        OutOfMemoryError: It does not.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemoryError(
            "the memory does not suffice at this size: use a smaller --image-size, --history or --tile-size"
        ) from error
