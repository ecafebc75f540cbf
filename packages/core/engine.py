"""What computes the objective: PyTorch, or ONNX Runtime without it. Neither is imported before it is needed."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from core.arrays import Array
from core.config import TransferConfig
from core.images import Pixels, Size
from core.memory import Plan
from core.optimise import Objective, WeightedObjective
from core.ranks import ALONE, Ranks
from core.styles import Manner


class Engine(Protocol):
    """A way of computing the objective: PyTorch, or ONNX Runtime without it."""

    def plan(self, size: Size, style_size: Size) -> Plan:
        """How to make do with the memory at `size`, beside a style of `style_size`."""
        ...

    def objective(self, content: Pixels, style: Pixels | Sequence[Manner]) -> WeightedObjective:
        """The objective for these pictures, (1, 3, H, W) RGB in [0, 1], its targets computed."""
        ...

    def left_on_device(self, objective: WeightedObjective, size: Size) -> Objective | None:
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


def default_engine(config: TransferConfig, ranks: Ranks = ALONE) -> Engine:
    """PyTorch, or an exported objective; PyTorch takes seconds to import, so only where it is needed.

    Raises:
        UsageError: Several processes cannot share what is asked for, or something else is wrong with it.
        StyleTransferError: The weights are out of reach, or the device is missing.
    """
    ranks.require_shareable(config)
    if config.objective is None:
        from core.torch_engine import TorchEngine

        return TorchEngine(config, ranks=ranks)
    from core.onnx_engine import OnnxEngine, features_for

    return OnnxEngine(config.objective, features_for(config), config)
