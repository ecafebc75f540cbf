"""Standard output and error that cannot end a run."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO


@contextmanager
def tolerant_streams() -> Iterator[None]:
    """Let standard output and error drop what cannot be written, and escape characters that they cannot encode.

    A reader may have exited (`| head`), a disk may be full, the terminal may be closed. This ends the output and not
    the run. It concerns all output in the block: of this program, of its libraries, and of Python at its end. Streams
    that a caller has replaced, such as a test or a notebook, stay as they are. On Windows characters are escaped, and
    what cannot be written is an error.
    """
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _tolerant(sys.stdout, 1), _tolerant(sys.stderr, 2)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        sys.stdout, sys.stderr = before


class _TolerantFile(io.FileIO):
    """A file that drops what it cannot write."""

    def write(self, data: Any) -> int:
        """Write some of the data, or drop all of it, and return the number of these bytes."""
        try:
            written: int | None = super().write(data)
        except OSError:
            written = None
        return memoryview(data).nbytes if written is None else written  # None also means that it would block


def _tolerant(stream: TextIO | None, descriptor: int) -> TextIO:
    if stream is None:  # the shell has closed it (`2>&-`), and the next file that is opened would take its place
        null = os.open(os.devnull, os.O_WRONLY)
        if null != descriptor:
            os.dup2(null, descriptor)
            os.close(null)
        return io.TextIOWrapper(io.BufferedWriter(_TolerantFile(descriptor, "w", closefd=False)))
    if not isinstance(stream, io.TextIOWrapper) or not _writes_to(stream, descriptor):
        return stream
    if sys.platform == "win32":
        stream.reconfigure(errors="backslashreplace")
        return stream
    with suppress(OSError):
        stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_TolerantFile(descriptor, "w", closefd=False)),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _writes_to(stream: TextIO, descriptor: int) -> bool:
    try:
        return stream.fileno() == descriptor
    except OSError:  # it is in memory
        return False
