"""Memory that is used again by every evaluation, for the features that a picture's tiles keep."""

import errno
import mmap
from collections.abc import Hashable
from contextlib import suppress
from itertools import count
from typing import Any

import torch
from torch import Tensor

from core.network.vjp import SaveForBackward

# Windows has but one kind. Elsewhere the usual one is shared with processes, and has no large pages.
_PRIVATE: dict[str, Any] = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_ANONYMOUS") else {}


class ActivationBufferPool:
    """Places for features on the CPU, taken from the system once and used again by each evaluation.

    For new memory the system clears pages one by one, which takes longer than computing most features does, and far
    longer than copying them. The allocator would hold on to what is freed as well (`core.memory.allocator.RETAIN_FREED`), but
    between features that are kept and others that are not it leaves gaps, up to half as much again.
    """

    def __init__(self) -> None:
        self._user: Hashable = None
        self._places: dict[Hashable, list[Tensor]] = {}

    def lend(self, user: Hashable) -> None:
        """Give back what is there, unless it was the same `user` that it was lent last."""
        if user != self._user:
            self._user, self._places = user, {}

    def shelf(self, name: Hashable) -> SaveForBackward:
        """Keeps what it is given in the places of that name, whose last content is lost."""
        places, number = self._places.setdefault(name, []), count()

        def keep(features: Tensor) -> Tensor:
            at = next(number)
            if at == len(places):
                places.append(_place_for(features))
            elif (places[at].shape, places[at].dtype) != (features.shape, features.dtype):
                places[at] = _place_for(features)
            return places[at].copy_(features)

        return keep


def _place_for(features: Tensor) -> Tensor:
    """Memory for the same values in the same layout, straight from the system, in large pages where it has them.

    Raises:
        MemoryError: It has no more.
    """
    try:
        memory = mmap.mmap(-1, features.nbytes, **_PRIVATE)
    except OSError as error:
        if error.errno != errno.ENOMEM:
            raise
        raise MemoryError(f"cannot allocate memory of {features.nbytes} bytes") from error
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):  # a system that has none
            memory.madvise(mmap.MADV_HUGEPAGE)
    return torch.frombuffer(memory, dtype=features.dtype).as_strided(features.shape, features.stride())
