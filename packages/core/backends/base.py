"""What a backend is: a way of computing the objective and of minimising it.

There are two backends: PyTorch, and ONNX Runtime without PyTorch. Each is imported only when it is used.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from core.arrays import Array, Pixels, Size
from core.config.transfer_config import TransferConfig
from core.distributed import SINGLE_PROCESS, ProcessGroup
from core.memory.plan import Plan
from core.optim.types import Objective, Step, WeightedObjective
from core.styles import StyleExemplar


class Backend(Protocol):
    """A way of computing the objective."""

    def plan(self, size: Size, style_size: Size) -> Plan:
        """Return how images of `size` are evaluated in the available memory, with style images of `style_size`."""
        ...

    def to_array(self, pixels: Pixels, plan: Plan) -> Array:
        """Return an image as the objective takes it, stored where the plan says."""
        ...

    def to_pixels(self, array: Array) -> Pixels:
        """Return an array of the backend as a NumPy array."""
        ...

    def objective(
        self,
        content: Pixels,
        exemplars: Sequence[StyleExemplar],
        plan: Plan,
        *,
        image: Pixels | None = None,
        separate_layers: bool = False,
    ) -> WeightedObjective:
        """Compute the targets and return the objective.

        `content` is (1, 3, H, W), RGB in [0, 1]. Style losses with position targets need `image`, of the same shape,
        which is the one that the optimisation starts from, and `separate_layers`: whether each layer finds its targets
        by itself.
        """
        ...

    def minimize(
        self,
        objective: WeightedObjective,
        compose: Callable[[Objective], Objective],
        start: Array | Step,
        *,
        evaluations: int,
        plan: Plan,
        resumable: bool,
    ) -> Iterator[Step]:
        """Minimise an objective of this backend, and yield every step.

        Args:
            objective: Takes images.
            compose: Turns it into an objective that takes the parameters that are optimised.
            start: The initial parameters, or a step of an earlier run to continue from.
            evaluations: Total number of evaluations, those of the earlier run included.
            plan: The plan of the scale.
            resumable: Whether the steps must hold the arrays to continue from.
        """
        ...

    def describe(self) -> Mapping[str, Any]:
        """Return the name, device, versions, weights and plans of the backend for the run record, JSON-ready."""
        ...


def default_backend(config: TransferConfig, group: ProcessGroup = SINGLE_PROCESS) -> Backend:
    """Return the backend for `config`: ONNX Runtime if it names an exported objective, else PyTorch.

    Raises:
        UsageError: The options do not fit together, or the ranks of `group` cannot share the run.
        StyleTransferError: The network weights cannot be downloaded, or the device is missing.
    """
    group.check_supports(config)
    if config.objective is None:
        from core.backends.torch_backend import TorchBackend  # takes seconds to import

        return TorchBackend(config, group=group)
    from core.backends.onnx_backend import OnnxBackend, features_for

    return OnnxBackend(config.objective, features_for(config), config)
