"""Run work at one scale within its memory plan, and with smaller tiles if memory is exhausted all the same."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import torch

from core.backends.loaded_network import LoadedNetwork
from core.config.transfer_config import TransferConfig
from core.distributed import ProcessGroup
from core.memory.allocator import ActivationBufferPool, MemoryPolicy, trim_heap
from core.memory.out_of_memory import OutOfMemoryError, convert_out_of_memory_errors
from core.memory.plan import Plan

T = TypeVar("T")


@dataclass
class PlannedExecution:
    """The present plan of one scale; all objectives of the scale share it.

    `on_smaller_tiles` is called with every plan that replaces the present one.
    """

    plan: Plan
    network: LoadedNetwork
    config: TransferConfig
    group: ProcessGroup
    pool: ActivationBufferPool
    on_smaller_tiles: Callable[[Plan], None]
    device: torch.device = field(init=False)

    def __post_init__(self) -> None:
        """Store images on the host if the plan says so; smaller tiles never change that."""
        self.device = torch.device("cpu") if self.plan.on_host else self.network.device

    def run(self, work: Callable[[Plan, MemoryPolicy], T]) -> T:
        """Return `work(plan, policy)`; if memory is exhausted, try again with smaller tiles.

        Raises:
            OutOfMemoryError: The tiles cannot become smaller.
        """
        while True:
            policy = MemoryPolicy.of(self.plan, self.network.device.type, self.pool)
            smaller = self.plan.with_smaller_tiles()
            try:
                with convert_out_of_memory_errors(), deterministic(self.network.precision), policy.evaluation():
                    return work(self.plan, policy)
            except OutOfMemoryError:
                if smaller is None:
                    raise
                self.plan = smaller
                self.on_smaller_tiles(smaller)
            # Outside the handler, where the tensors that the traceback refers to are free.
            trim_heap()
            if self.network.device.type == "cuda":
                torch.cuda.empty_cache()


@contextmanager
def deterministic(precision: str) -> Iterator[None]:
    """Let cuDNN choose deterministic algorithms, with TF32 only in that precision."""
    with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=precision == "tf32"):
        yield
