"""The default engine: the objective by PyTorch, on the CPU, CUDA or Apple's MPS."""

import math
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor

from core.arrays import Pixels, Size, size_of
from core.backends.device import memory_for
from core.backends.loaded_network import Network
from core.config.transfer_config import TransferConfig
from core.distributed import SINGLE_PROCESS, ProcessGroup
from core.memory.allocator import RETAIN_FREED, trim_heap
from core.memory.buffers import ActivationBufferPool
from core.memory.out_of_memory import OutOfMemoryError, raise_out_of_memory
from core.memory.plan import Plan, plan_memory
from core.network.fused import FusedVGG
from core.network.vjp import Features
from core.objective.objective import Targets, as_evaluation, sum_of
from core.objective.tiled import TiledFeatures, TiledObjective, compute_tiled_targets
from core.objective.weights import LossWeights
from core.optim.types import Evaluation, Objective, WeightedObjective
from core.styles import StyleExemplar, as_exemplars

T = TypeVar("T")

Unread = tuple[Mapping[str, Tensor], Tensor]
"""The parts of a loss, (), and its gradient."""


class TorchBackend:
    """Computes the objective with an extractor loaded as `config` says, eager or from an artifact.

    Raises:
        UsageError: The weights, the architecture and the layers do not go together.
        StyleTransferError: The device or the weights are not there.
    """

    def __init__(
        self, config: TransferConfig, network: Network | None = None, group: ProcessGroup = SINGLE_PROCESS
    ) -> None:
        """An engine for runs with `config`, with a `network` that has been loaded for it if there is one.

        With several `group` each has one, and they compute every objective together.
        """
        network = network or Network.load(config, group)
        self._ranks = group
        self.device, self.extractor = network.device, network.extractor
        self._network, self._config = network, config
        self._plans: dict[Size, Plan] = {}
        self._workspace = ActivationBufferPool()
        self.terms = LossWeights.of(config, network.activation_scale)

    def plan(self, size: Size, style_size: Size) -> Plan:
        """How to paint at `size` beside a style of `style_size`, made on first asking and kept.

        Raises:
            StyleTransferError: The memory does not suffice.
        """
        if size not in self._plans:
            memory, precision = memory_for(self.device, self._config, self._ranks), self._network.precision
            plan = plan_memory(size, style_size, self._config, memory, precision, self._ranks.count)
            self._plans[size] = plan.check_fits_memory()
        return self._plans[size]

    def objective(self, content: Pixels, style: Pixels | Sequence[StyleExemplar]) -> WeightedObjective:
        """The objective for these pictures, its targets computed."""
        exemplars, size = as_exemplars(style), size_of(content)
        self.plan(size, _largest(exemplars))
        home = self._home(size)
        self._workspace.lend(None)  # the last objective may live on for a while, but what it keeps not beside this one
        trim_heap()
        targets = self._as_planned(size, partial(self._targets, _on(home, content), _moved(exemplars, home)))
        return _Objective(partial(self._evaluate_as_planned, size, targets), self.terms)

    def deferred_objective(self, objective: WeightedObjective, size: Size) -> Objective | None:
        """`objective`, one of this engine's at `size`, with its numbers left there; None where nothing is gained.

        A picture in tiles takes so long that waiting does not count; and eigenvalues, sorted projections and exported
        modules wait by themselves.
        """
        alone = isinstance(self.extractor, FusedVGG) and self._config.style_loss == "gram"
        if self.device.type != "cuda" or self._plans[size].tiled or not alone:
            return None
        return objective.deferred if isinstance(objective, _Objective) else None

    def features(self, pixels: Pixels) -> Mapping[str, Pixels]:
        """The features of a picture at every tap, each (1, C, h, w)."""
        with raise_out_of_memory(), self._repeatable(), torch.no_grad():
            features = self.extractor(torch.from_numpy(pixels).to(self.device))
            return {tap: self.to_pixels(values.float()) for tap, values in features.items()}

    def to_array(self, pixels: Pixels) -> Tensor:
        """A picture on the device, or on the host if that is the plan for its size."""
        return torch.from_numpy(pixels).to(self._home(size_of(pixels)))

    def to_pixels(self, array: Tensor) -> Pixels:
        """A picture back from the device."""
        return array.detach().cpu().numpy()

    def describe(self) -> Mapping[str, Any]:
        """The device, the versions, the weights, and what the memory allowed at each size."""
        cuda = self.device.type == "cuda"
        return {
            "engine": "torch",
            "torch": torch.__version__,
            "device": str(self.device),
            "device_name": torch.cuda.get_device_name(self.device) if cuda else platform.processor(),
            "threads": torch.get_num_threads(),
            "precision": self._network.precision,
            "processes": self._ranks.count,
            "weights": self._network.weights,
            "plans": [plan.to_dict() for plan in self._plans.values()],
            **(
                {"extractor": self._config.extractor, "extractor_runs_on": self._network.artifact.provider}
                if self._network.artifact
                else {}
            ),
        }

    def _targets(self, content: Tensor, styles: Sequence[StyleExemplar], plan: Plan) -> Targets:
        extractor = self._tiled(self._network.artifact or self.extractor, plan)
        return compute_tiled_targets(extractor, content, styles, self.terms, self._network.remembered.measure)

    def _evaluate_as_planned(self, size: Size, targets: Targets, terms: LossWeights, image: Tensor) -> Unread:
        return self._as_planned(size, partial(self._evaluate, targets, terms, image))

    def _evaluate(self, targets: Targets, terms: LossWeights, image: Tensor, plan: Plan) -> Unread:
        self._workspace.lend(plan)
        tight = self.device.type == "cpu" and not plan.retain_freed
        workspace = self._workspace if tight and plan.cached_tiles else None
        extractor = self._tiled(self.extractor, plan)
        evaluated = TiledObjective(
            extractor,
            targets,
            terms,
            plan.cached_tiles,
            checkpoint_first_block=plan.checkpoint_first_block,
            workspace=workspace,
        ).evaluate(image)
        if tight and plan.tiled:
            trim_heap()  # else what tiles needed for a while lies beside what the optimiser needs now
        return evaluated

    def _tiled(self, extractor: Features, plan: Plan) -> TiledFeatures:
        return TiledFeatures(extractor, plan.tiling(self._config), self.device, self._ranks)

    def _as_planned(self, size: Size, work: Callable[[Plan], T]) -> T:
        """`work`, done as planned for pictures of `size`, or in smaller tiles if it proves too large."""
        while True:
            plan = self._plans[size]
            smaller = plan.in_smaller_tiles()
            try:
                with raise_out_of_memory(), self._repeatable(), RETAIN_FREED if plan.retain_freed else nullcontext():
                    return work(plan)
            except OutOfMemoryError:
                if smaller is None:
                    raise
                self._plans[size] = smaller
            # Only here is what the failure held on to free again.
            trim_heap()
            if self.device.type == "cuda":
                torch.cuda.empty_cache()

    @contextmanager
    def _repeatable(self) -> Iterator[None]:
        allow_tf32 = self._network.precision == "tf32"
        with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=allow_tf32):
            yield

    def _home(self, size: Size) -> torch.device:
        """Where pictures of that size lie."""
        plan = self._plans.get(size)
        return torch.device("cpu") if plan and plan.on_host else self.device


@dataclass(frozen=True)
class _Objective:
    """An objective whose targets stay as they are when its weights change."""

    evaluate: Callable[[LossWeights, Tensor], Unread]
    terms: LossWeights

    def __call__(self, image: Tensor) -> Evaluation:
        return as_evaluation(*self.evaluate(self.terms, image))

    def deferred(self, image: Tensor) -> Evaluation:
        """The same with the numbers left on the device."""
        parts, gradient = self.evaluate(self.terms, image)
        return Evaluation(sum_of(parts), gradient, parts)

    def scaled(self, *, content: float = 1.0, style: float = 1.0) -> "_Objective":
        return replace(self, terms=self.terms.scaled(content=content, style=style))


def _on(device: torch.device, pixels: Pixels) -> Tensor:
    return torch.from_numpy(pixels).to(device)


def _moved(exemplars: Sequence[StyleExemplar], device: torch.device) -> tuple[StyleExemplar, ...]:
    """The styles as tensors on the device."""
    return tuple(
        replace(
            exemplar,
            images=tuple(_on(device, pixels) for pixels in exemplar.images),
            mask=None if exemplar.mask is None else _on(device, exemplar.mask),
        )
        for exemplar in exemplars
    )


def _largest(exemplars: Sequence[StyleExemplar]) -> Size:
    return max((size_of(pixels) for exemplar in exemplars for pixels in exemplar.images), key=math.prod)
