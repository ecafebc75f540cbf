"""The memory that reading the images of a run may take."""

from typing import TYPE_CHECKING

from core.image.reading_memory import ReadingMemory
from core.memory.host import host_memory

if TYPE_CHECKING:
    from core.config.transfer_config import TransferConfig


def reading_memory(config: "TransferConfig") -> ReadingMemory:
    """Return the limit of `config`, or the available memory of the host."""
    return ReadingMemory(config.max_memory or host_memory())
