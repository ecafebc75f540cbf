"""Where memory comes from during an evaluation: one policy, which follows from the plan.

Three mechanisms serve it. `RETAIN_FREED` keeps freed memory in the process, `ActivationBufferPool` holds saved
activations in buffers that every evaluation uses again, and `trim_heap` returns freed memory to the system.
"""

import ctypes
import errno
import mmap
import sys
from collections.abc import Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor

from core.network.vjp import SaveForBackward, save_by_reference

if TYPE_CHECKING:
    from core.memory.plan import Plan

# mallopt parameters of glibc, and the default of the second one.
_M_TRIM_THRESHOLD, _M_MMAP_MAX, _DEFAULT_MMAP_MAX = -1, -4, 65536

# Windows has one kind of mapping. Elsewhere the default is shared between processes and has no large pages.
_PRIVATE: dict[str, Any] = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_ANONYMOUS") else {}


@dataclass(frozen=True)
class MemoryPolicy:
    """How one evaluation uses memory, and what is freed between scales and after a failed evaluation.

    Attributes:
        cached_tiles: Number of tiles whose activations are saved from the first pass to the backward pass; the first
            pass of other tiles is computed again.
        checkpoint_first_block: Recompute the layers before the first pooling in the backward pass.
        retain_freed: Keep what an evaluation frees in the process, for the next one.
        buffers: Where saved activations are stored; None leaves them to the allocator.
        trim_afterwards: Return freed memory to the system after every evaluation.
    """

    cached_tiles: int = 0
    checkpoint_first_block: bool = False
    retain_freed: bool = False
    buffers: "ActivationBufferPool | None" = None
    trim_afterwards: bool = False

    @classmethod
    def of(cls, plan: "Plan", device_type: str, pool: "ActivationBufferPool") -> Self:
        """Return the policy of `plan` on a device of that type ("cpu", "cuda", "mps").

        Where memory is tight on a CPU, saved activations are stored in `pool`, which then belongs to this plan.
        """
        pool.acquire(plan)
        tight = device_type == "cpu" and not plan.retain_freed
        return cls(
            cached_tiles=plan.cached_tiles,
            checkpoint_first_block=plan.checkpoint_first_block,
            retain_freed=plan.retain_freed,
            buffers=pool if tight and plan.cached_tiles else None,
            # Otherwise memory that tiles used for a while is not available to the optimiser.
            trim_afterwards=tight and plan.tiled,
        )

    @staticmethod
    def start_scale(pool: "ActivationBufferPool") -> None:
        """Release the buffers of the previous scale before the next one allocates its own."""
        pool.release()
        trim_heap()

    @staticmethod
    def after_exhaustion(device_type: str) -> None:
        """Return the memory of a failed evaluation to the system, once no traceback refers to its tensors."""
        trim_heap()
        if device_type == "cuda":
            torch.cuda.empty_cache()

    @contextmanager
    def evaluation(self) -> Iterator[None]:
        """Apply the policy around one evaluation."""
        with RETAIN_FREED if self.retain_freed else nullcontext():
            yield
        if self.trim_afterwards:
            trim_heap()

    def tile(self) -> AbstractContextManager[None]:
        """Apply the policy around one tile: with buffers, its temporary memory can be the same for every tile."""
        return RETAIN_FREED if self.buffers else nullcontext()

    def save_for_backward(self, tile: Hashable) -> SaveForBackward:
        """Return the function that saves the activations of `tile`."""
        return self.buffers.slot(tile) if self.buffers else save_by_reference


def trim_heap() -> None:
    """Return freed memory of this process to the system (malloc_trim of glibc); elsewhere do nothing.

    glibc keeps freed blocks of less than 32 MB that are below any block in use. Features are freed while images stay,
    so that without trimming the gaps accumulate.
    """
    if sys.platform == "linux":
        with suppress(AttributeError):  # another C library
            ctypes.CDLL(None).malloc_trim(0)


class RetainFreed:
    """A reentrant context in which freed memory stays with this process.

    glibc returns blocks of more than 32 MB to the system at once, and for the next allocation the system clears every
    page: a fifth of the time of an evaluation at one megapixel. Retained memory leaves gaps, up to as much again as is
    in use; `trim_heap` returns it. Elsewhere than on Linux the context has no effect.
    """

    def __init__(self) -> None:
        self._depth = 0

    def __enter__(self) -> None:
        self._depth += 1
        if self._depth == 1:
            _mallopt(_M_TRIM_THRESHOLD, -1)  # never
            _mallopt(_M_MMAP_MAX, 0)

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if self._depth == 0:
            _mallopt(_M_MMAP_MAX, _DEFAULT_MMAP_MAX)


RETAIN_FREED = RetainFreed()


class ActivationBufferPool:
    """Buffers for saved activations on the CPU, allocated once and used again by every evaluation.

    The system clears new memory page by page, which takes longer than to compute most features, and far longer than to
    copy them. `RETAIN_FREED` avoids that too, but between saved activations and temporary ones it leaves gaps, up to
    half as much memory again.
    """

    def __init__(self) -> None:
        self._owner: Hashable = None
        self._slots: dict[Hashable, list[Tensor]] = {}

    def acquire(self, owner: Hashable) -> None:
        """Make `owner` the owner of the pool; release all buffers unless it was the owner already."""
        if owner != self._owner:
            self._owner, self._slots = owner, {}

    def release(self) -> None:
        """Release all buffers."""
        self.acquire(None)

    def slot(self, name: Hashable) -> SaveForBackward:
        """Return a function that copies tensors into the buffers of this slot, overwriting their previous content.

        The n-th tensor goes into the n-th buffer.
        """
        buffers, index = self._slots.setdefault(name, []), count()

        def save(features: Tensor) -> Tensor:
            i = next(index)
            if i == len(buffers):
                buffers.append(_buffer_like(features))
            elif (buffers[i].shape, buffers[i].dtype) != (features.shape, features.dtype):
                buffers[i] = _buffer_like(features)
            return buffers[i].copy_(features)

        return save


def _buffer_like(features: Tensor) -> Tensor:
    """Allocate a tensor of the same shape, dtype and strides, with large pages where the system has them.

    Raises:
        MemoryError: The system has no memory left.
    """
    try:
        memory = mmap.mmap(-1, features.nbytes, **_PRIVATE)
    except OSError as error:
        if error.errno != errno.ENOMEM:
            raise
        raise MemoryError(f"cannot allocate memory of {features.nbytes} bytes") from error
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):  # a kernel without large pages
            memory.madvise(mmap.MADV_HUGEPAGE)
    return torch.frombuffer(memory, dtype=features.dtype).as_strided(features.shape, features.stride())


def _mallopt(parameter: int, value: int) -> None:
    if sys.platform == "linux":
        with suppress(AttributeError):  # another C library
            ctypes.CDLL(None).mallopt(parameter, value)
