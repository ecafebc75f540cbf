"""The default backend: PyTorch on the CPU, CUDA or Apple's MPS."""

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from core.arrays import Array, Pixels, Size
from core.backends.device import memory_for
from core.backends.loaded_network import LoadedNetwork
from core.backends.planned_execution import PlannedExecution, deterministic
from core.config.style_losses import style_loss_spec
from core.config.transfer_config import TransferConfig
from core.distributed import SINGLE_PROCESS, ProcessGroup
from core.memory.allocator import ActivationBufferPool, MemoryPolicy
from core.memory.out_of_memory import convert_out_of_memory_errors
from core.memory.plan import Plan, plan_memory
from core.network.fused import FusedVGG
from core.objective.evaluate import as_evaluation, total_loss
from core.objective.targets import compute_targets
from core.objective.tiled import TiledObjective
from core.objective.types import Targets
from core.objective.weights import LossWeights
from core.optim.minimize import minimize
from core.optim.types import Evaluation, Objective, Step, WeightedObjective
from core.styles import StyleExemplar


class TorchBackend:
    """Evaluates and minimises the objective in PyTorch."""

    def __init__(
        self, config: TransferConfig, network: LoadedNetwork | None = None, group: ProcessGroup = SINGLE_PROCESS
    ) -> None:
        """Create a backend for runs with `config`; `network` is an already loaded network for it.

        Each rank of `group` has a backend, and they evaluate every objective together.

        Raises:
            UsageError: The weights, the architecture and the layers do not fit together.
            StyleTransferError: The device is missing, or the weights cannot be downloaded.
        """
        self.network = network or LoadedNetwork.load(config, group)
        self.loss_weights = LossWeights.of(config, self.network.activation_scale)
        self._config, self._group = config, group
        self._plans: dict[Size, Plan] = {}
        self._pool = ActivationBufferPool()

    def plan(self, size: Size, style_size: Size) -> Plan:
        """Return how images of `size` are evaluated in the available memory, with style images of `style_size`.

        Raises:
            StyleTransferError: The available memory is too small.
        """
        memory = memory_for(self.network.device, self._config, self._group)
        plan = plan_memory(size, style_size, self._config, memory, self.network.precision, self._group.world_size)
        self._store(plan.check_fits())
        return plan

    def to_array(self, pixels: Pixels, plan: Plan) -> Tensor:
        """Return an image as a tensor, on the device or, if the plan says so, on the host."""
        return torch.from_numpy(pixels).to(plan.state_device(str(self.network.device)))

    def to_pixels(self, array: Tensor) -> Pixels:
        """Return a tensor as a NumPy array."""
        return array.detach().cpu().numpy()

    def objective(
        self,
        content: Pixels,
        exemplars: Sequence[StyleExemplar],
        plan: Plan,
        *,
        image: Pixels | None = None,
        separate_layers: bool = False,
    ) -> "TorchObjective":
        """Compute the targets and return the objective (see `core.backends.base.Backend`)."""
        MemoryPolicy.start_scale(self._pool)
        execution = PlannedExecution(plan, self.network, self._config, self._group, self._pool, self._store)
        on_device = [_to_tensors(exemplar, execution.device) for exemplar in exemplars]
        content_tensor = torch.from_numpy(content).to(execution.device)
        image_tensor = None if image is None else torch.from_numpy(image).to(execution.device)
        cache = self.network.style_cache
        for attempt in execution.attempts():
            with attempt:
                extractor = execution.tiled(self.network.artifact or self.network.extractor)
                targets = compute_targets(
                    extractor,
                    content_tensor,
                    on_device,
                    self.loss_weights,
                    image=image_tensor,
                    separate_layers=separate_layers,
                    cache=cache,
                )
        return TorchObjective(execution, targets, self.loss_weights)

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
        """Minimise the objective and yield every step (see `core.backends.base.Backend`).

        On CUDA, untiled images are optimised by an L-BFGS without host synchronisation.
        """
        if isinstance(objective, TorchObjective) and not resumable and self._avoids_synchronisation(plan):
            from core.optim import lbfgs_cuda

            deferred = compose(replace(objective, deferred=True))
            return lbfgs_cuda.lbfgs(deferred, start, evaluations=evaluations, history=plan.history)
        return minimize(compose(objective), start, evaluations=evaluations, config=self._config, history=plan.history)

    def _avoids_synchronisation(self, plan: Plan) -> bool:
        """Return whether evaluations without host synchronisation are possible and shorten a run.

        A tiled evaluation takes so long that synchronisation does not matter. Artifacts and some style losses always
        synchronise.
        """
        return (
            self.network.device.type == "cuda"
            and not plan.tiled
            and isinstance(self.network.extractor, FusedVGG)
            and style_loss_spec(self._config.style_loss).sync_free
            and self._config.optimizer == "lbfgs"
        )

    def _store(self, plan: Plan) -> None:
        """Store a plan for `describe`, in place of an earlier one for images of its size."""
        self._plans[plan.size] = plan

    def features(self, pixels: Pixels) -> Mapping[str, Pixels]:
        """Compute the features (1, C, h, w) of an image at every tap."""
        with convert_out_of_memory_errors(), deterministic(self.network.precision), torch.no_grad():
            features = self.network.extractor(torch.from_numpy(pixels).to(self.network.device))
            return {tap: self.to_pixels(values.float()) for tap, values in features.items()}

    def describe(self) -> Mapping[str, Any]:
        """Return the device, versions, weights, and plans for the run record."""
        device, artifact = self.network.device, self.network.artifact
        described = {
            "name": "torch",
            "torch": torch.__version__,
            "device": str(device),
            "device_name": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor(),
            "threads": torch.get_num_threads(),
            "precision": self.network.precision,
            "processes": self._group.world_size,
            "weights": self.network.weights,
            "plans": [plan.to_dict() for plan in self._plans.values()],
        }
        if artifact:
            described |= {"extractor": self._config.extractor, "extractor_runs_on": artifact.provider}
        return described


@dataclass(frozen=True)
class TorchObjective:
    """The objective of one scale. With `deferred` the loss stays on the device, without host synchronisation."""

    execution: PlannedExecution
    targets: Targets
    weights: LossWeights
    deferred: bool = False
    step: int = 0

    def __call__(self, image: Tensor) -> Evaluation:
        """Evaluate at `image` (1, 3, H, W), RGB in [0, 1], with the size of the content image."""
        for attempt in self.execution.attempts():
            with attempt as policy:
                extractor = self.execution.tiled(self.execution.network.extractor)
                tiled = TiledObjective(extractor, self.targets, self.weights, policy, step=self.step)
                parts, gradient = tiled.evaluate(image)
        return Evaluation(total_loss(parts), gradient, parts) if self.deferred else as_evaluation(parts, gradient)

    def scaled(self, *, content: float = 1.0, style: float = 1.0, tv: float = 1.0) -> "TorchObjective":
        """Return the objective with other weights: see `LossWeights.scaled`; the targets stay the same."""
        return replace(self, weights=self.weights.scaled(content=content, style=style, tv=tv))

    def at_step(self, step: int) -> "TorchObjective":
        """Return the objective for the evaluation number `step`; it differs only for stochastic style losses."""
        return replace(self, step=step)


def _to_tensors(exemplar: StyleExemplar, device: torch.device) -> StyleExemplar:
    return replace(
        exemplar,
        images=tuple(torch.from_numpy(pixels).to(device) for pixels in exemplar.images),
        mask=None if exemplar.mask is None else torch.from_numpy(exemplar.mask).to(device),
        style_mask=None if exemplar.style_mask is None else torch.from_numpy(exemplar.style_mask).to(device),
    )
