"""Run work at one scale within its memory plan, and with smaller tiles if memory is exhausted all the same."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import torch

from core.backends.loaded_network import LoadedNetwork
from core.config.transfer_config import TransferConfig
from core.distributed import ProcessGroup
from core.memory.allocator import ActivationBufferPool, MemoryPolicy
from core.memory.out_of_memory import OutOfMemoryError, convert_out_of_memory_errors
from core.memory.plan import Plan
from core.network.vjp import FeatureExtractor
from core.objective.tiled_extractor import TiledFeatureExtractor


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

    @property
    def device(self) -> torch.device:
        """Where images are stored; smaller tiles never change that."""
        return torch.device(self.plan.state_device(str(self.network.device)))

    def tiled(self, extractor: FeatureExtractor) -> TiledFeatureExtractor:
        """Return `extractor`, reading images in the tiles of the present plan."""
        return TiledFeatureExtractor(extractor, self.plan.tiling(self.config), self.network.device, self.group)

    def attempts(self) -> Iterator[AbstractContextManager[MemoryPolicy]]:
        """Yield a context for the work, and if memory is exhausted in it, another one with smaller tiles.

        A failed attempt replaces `plan`; the loop over the contexts ends after the first one whose work is complete:

            for attempt in execution.attempts():
                with attempt as policy:
                    result = ...

        A context raises OutOfMemoryError if the tiles cannot become smaller.
        """
        tried: Plan | None = None
        while self.plan is not tried:
            if tried is not None:
                MemoryPolicy.after_exhaustion(self.network.device.type)
            tried = self.plan
            yield self._attempt()

    @contextmanager
    def _attempt(self) -> Iterator[MemoryPolicy]:
        """Apply the present plan; after exhausted memory, replace it by one with smaller tiles."""
        policy = MemoryPolicy.of(self.plan, self.network.device.type, self.pool)
        smaller = self.plan.with_smaller_tiles()
        try:
            with convert_out_of_memory_errors(), deterministic(self.network.precision), policy.evaluation():
                yield policy
        except OutOfMemoryError:
            if smaller is None:
                raise
            self.plan = smaller
            self.on_smaller_tiles(smaller)


@contextmanager
def deterministic(precision: str) -> Iterator[None]:
    """Let cuDNN choose deterministic algorithms, with TF32 only in that precision."""
    with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=precision == "tf32"):
        yield
