"""What computes the objective: PyTorch, or ONNX Runtime without it. Neither is imported before it is needed."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from core.arrays import Array, Pixels, Size
from core.config.transfer_config import TransferConfig
from core.distributed import SINGLE_PROCESS, ProcessGroup
from core.memory.plan import Plan
from core.optim.types import Objective, WeightedObjective
from core.styles import StyleExemplar


class Backend(Protocol):
    """A way of computing the objective: PyTorch, or ONNX Runtime without it."""

    def plan(self, size: Size, style_size: Size) -> Plan:
        """How to make do with the memory at `size`, beside a style of `style_size`."""
        ...

    def objective(self, content: Pixels, style: Pixels | Sequence[StyleExemplar]) -> WeightedObjective:
        """The objective for these pictures, (1, 3, H, W) RGB in [0, 1], its targets computed."""
        ...

    def deferred_objective(self, objective: WeightedObjective, size: Size) -> Objective | None:
        """`objective`, one of its own at `size`, with its numbers left where they are; None where nothing is gained."""
        ...

    def to_array(self, pixels: Pixels) -> Array:
        """A picture as the objective takes it."""
        ...

    def to_pixels(self, array: Array) -> Pixels:
        """The way back."""
        ...

    def describe(self) -> Mapping[str, Any]:
        """What a record says of the engine: its name, device, versions, weights."""
        ...


def default_backend(config: TransferConfig, group: ProcessGroup = SINGLE_PROCESS) -> Backend:
    """PyTorch, or an exported objective; PyTorch takes seconds to import, so only where it is needed.

    Raises:
        UsageError: Several processes cannot share what is asked for, or something else is wrong with it.
        StyleTransferError: The weights are out of reach, or the device is missing.
    """
    group.require_shareable(config)
    if config.objective is None:
        from core.backends.torch_backend import TorchBackend

        return TorchBackend(config, group=group)
    from core.backends.onnx_backend import OnnxBackend, features_for

    return OnnxBackend(config.objective, features_for(config), config)
