"""Keep the memory of reading images within a limit, by the sizes in the headers of files."""

import math
from dataclasses import dataclass

from core.arrays import Size
from core.byte_sizes import format_size
from core.errors import UsageError

READING_BYTES = 40
"""Bytes per pixel while an image is decoded and converted: at most 40 in all formats (measured), 24 for RGB."""
KEPT_BYTES = 16
"""Bytes per pixel of an image that was read: three colours and alpha, float32."""


@dataclass
class ReadingMemory:
    """The bytes that reading the next image may take; every image that was read leaves fewer."""

    available: float = math.inf

    def claim(self, size: Size, name: str) -> None:
        """Reduce `available` by an image of this size, before it is decoded.

        Raises:
            UsageError: Reading it takes more than `available`.
        """
        pixels = math.prod(size)
        if pixels * READING_BYTES > self.available:
            raise UsageError(
                f"{name} has {size[0]}x{size[1]} px, and reading it takes about {format_size(pixels * READING_BYTES)} "
                f"of memory, but only {format_size(self.available)} is available: scale it down or raise --max-memory"
            )
        self.available -= pixels * KEPT_BYTES
