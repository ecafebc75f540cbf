"""The memory for reading images is the limit of the run, or that of the machine."""

import numpy as np
import pytest

from core.config.transfer_config import TransferConfig
from core.errors import UsageError
from core.image.reading import read_image
from core.memory.reading import reading_memory

IMAGE = np.zeros((100, 100))


def test_the_limit_of_the_run_applies_to_images() -> None:
    with pytest.raises(UsageError, match=r"raise --max-memory$"):
        read_image(IMAGE, memory=reading_memory(TransferConfig(max_memory=10_000)))
    read_image(IMAGE, memory=reading_memory(TransferConfig(max_memory=10**8)))


def test_without_a_limit_the_available_memory_applies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.memory.reading.host_memory", lambda: 10_000)
    with pytest.raises(UsageError, match=r"raise --max-memory$"):
        read_image(IMAGE, memory=reading_memory(TransferConfig()))
    read_image(IMAGE, memory=reading_memory(TransferConfig(max_memory=10**8)))
