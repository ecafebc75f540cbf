"""Run compilers and converters without their messages."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_log() -> Iterator[None]:
    """Suppress warnings that they log, such as that there is no CUDA or that a graph could be smaller."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
