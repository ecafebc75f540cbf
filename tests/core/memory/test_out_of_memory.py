"""Allocation failures of Python and PyTorch become one error."""

import pytest
import torch

from core.memory.out_of_memory import OutOfMemoryError, convert_out_of_memory_errors


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 1 bytes."),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    ],
    ids=lambda error: str(error)[:20],
)
def test_every_allocation_failure_becomes_one_error(error: Exception) -> None:
    with pytest.raises(OutOfMemoryError, match="reduce --image-size"), convert_out_of_memory_errors():
        raise error


def test_other_errors_are_raised_unchanged() -> None:
    with pytest.raises(RuntimeError, match="illegal memory access"), convert_out_of_memory_errors():
        raise RuntimeError("CUDA error: an illegal memory access was encountered")
