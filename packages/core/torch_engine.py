"""The default engine: the objective by PyTorch, on the CPU, CUDA or Apple's MPS."""

import math
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Self, TypeVar

import torch
from torch import Tensor

from core.artifacts import OnnxExtractor, TorchExtractor, check_fits, open_extractor
from core.config import TransferConfig
from core.device import choose_device, choose_precision, memory_for
from core.free_memory import REUSING, give_back
from core.fused import FusedExtractor
from core.images import Pixels, Size, size_of
from core.memory import OutOfMemory, Plan, plan_memory, within_memory
from core.objective import Targets, as_evaluation, sum_of
from core.optimise import Evaluation, Objective, WeightedObjective
from core.passes import Features
from core.ranks import ALONE, Ranks
from core.remembered import Remembered
from core.styles import Manner, as_manners
from core.terms import Terms
from core.tiled import TiledExtractor, TiledObjective, compute_tiled_targets
from core.vgg import load_extractor
from core.weights import load_weights
from core.workspace import Workspace

T = TypeVar("T")

Unread = tuple[Mapping[str, Tensor], Tensor]
"""The parts of a loss, (), and its gradient."""

DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
"""What the features of each precision are kept in."""


@dataclass(frozen=True)
class Network:
    """A network that was loaded, eager or from an artifact; several engines may use it.

    `artifact` computes the targets, and the objective as well if it is differentiable. `weights` is what a record says
    of them, and `activation_scale` how much larger features are than unit-variance input gives.
    """

    device: torch.device
    extractor: Features
    artifact: OnnxExtractor | TorchExtractor | None
    weights: Mapping[str, Any]
    activation_scale: float
    precision: str = "fp32"
    remembered: Remembered = field(default_factory=Remembered, repr=False)

    @classmethod
    def load(cls, config: TransferConfig, ranks: Ranks = ALONE) -> Self:
        """The network that `config` names, for this one of the processes that paint together.

        Raises:
            UsageError: The weights, the architecture and the layers do not go together.
            StyleTransferError: The device or the weights are not there.
        """
        device = choose_device(config.device, ranks)
        taps = (*config.content_layers, *config.style_layers)
        artifact = open_extractor(config.extractor, str(device)) if config.extractor else None
        if artifact is not None:
            check_fits(str(config.extractor), artifact.manifest, config)
            if artifact.differentiable:
                manifest = artifact.manifest
                return cls(device, artifact, artifact, dict(manifest.weights), manifest.activation_scale)
        weights = load_weights(config.arch, config.weights, config.weights_preprocessing, progress=ranks.first)
        eager = load_extractor(weights, taps, pooling=config.pooling, device=device)
        precision = choose_precision(config, device)
        described = {"source": weights.source, "sha256": weights.sha256}
        fused = FusedExtractor(eager, DTYPES[precision], config.content_layers) if device.type != "mps" else None
        return cls(device, fused or eager, artifact, described, weights.preprocessing.activation_scale, precision)


class TorchEngine:
    """Computes the objective with an extractor loaded as `config` says, eager or from an artifact.

    Raises:
        UsageError: The weights, the architecture and the layers do not go together.
        StyleTransferError: The device or the weights are not there.
    """

    def __init__(self, config: TransferConfig, network: Network | None = None, ranks: Ranks = ALONE) -> None:
        """An engine for runs with `config`, with a `network` that has been loaded for it if there is one.

        With several `ranks` each has one, and they compute every objective together.
        """
        network = network or Network.load(config, ranks)
        self._ranks = ranks
        self.device, self.extractor = network.device, network.extractor
        self._network, self._config = network, config
        self._plans: dict[Size, Plan] = {}
        self._workspace = Workspace()
        self.terms = Terms.of(config, network.activation_scale)

    def plan(self, size: Size, style_size: Size) -> Plan:
        """How to paint at `size` beside a style of `style_size`, made on first asking and kept.

        Raises:
            StyleTransferError: The memory does not suffice.
        """
        if size not in self._plans:
            memory, precision = memory_for(self.device, self._config, self._ranks), self._network.precision
            plan = plan_memory(size, style_size, self._config, memory, precision, self._ranks.count)
            self._plans[size] = plan.require_fits()
        return self._plans[size]

    def objective(self, content: Pixels, style: Pixels | Sequence[Manner]) -> WeightedObjective:
        """The objective for these pictures, its targets computed."""
        manners, size = as_manners(style), size_of(content)
        self.plan(size, _largest(manners))
        home = self._home(size)
        self._workspace.lend(None)  # the last objective may live on for a while, but what it keeps not beside this one
        give_back()
        targets = self._as_planned(size, partial(self._targets, _on(home, content), _moved(manners, home)))
        return _Objective(partial(self._evaluate_as_planned, size, targets), self.terms)

    def left_on_device(self, objective: WeightedObjective, size: Size) -> Objective | None:
        """`objective`, one of this engine's at `size`, with its numbers left there; None where nothing is gained.

        A picture in tiles takes so long that waiting does not count; and eigenvalues, sorted projections and exported
        modules wait by themselves.
        """
        alone = isinstance(self.extractor, FusedExtractor) and self._config.style_loss == "gram"
        if self.device.type != "cuda" or self._plans[size].tiled or not alone:
            return None
        return objective.unread if isinstance(objective, _Objective) else None

    def features(self, pixels: Pixels) -> Mapping[str, Pixels]:
        """The features of a picture at every tap, each (1, C, h, w)."""
        with within_memory(), self._repeatable(), torch.no_grad():
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

    def _targets(self, content: Tensor, styles: Sequence[Manner], plan: Plan) -> Targets:
        extractor = self._tiled(self._network.artifact or self.extractor, plan)
        return compute_tiled_targets(extractor, content, styles, self.terms, self._network.remembered.measure)

    def _evaluate_as_planned(self, size: Size, targets: Targets, terms: Terms, image: Tensor) -> Unread:
        return self._as_planned(size, partial(self._evaluate, targets, terms, image))

    def _evaluate(self, targets: Targets, terms: Terms, image: Tensor, plan: Plan) -> Unread:
        self._workspace.lend(plan)
        tight = self.device.type == "cpu" and not plan.roomy
        workspace = self._workspace if tight and plan.kept_tiles else None
        extractor = self._tiled(self.extractor, plan)
        evaluated = TiledObjective(
            extractor, targets, terms, plan.kept_tiles, sparing=plan.sparing, workspace=workspace
        ).evaluate(image)
        if tight and plan.tiled:
            give_back()  # else what tiles needed for a while lies beside what the optimiser needs now
        return evaluated

    def _tiled(self, extractor: Features, plan: Plan) -> TiledExtractor:
        return TiledExtractor(extractor, plan.tiling(self._config), self.device, self._ranks)

    def _as_planned(self, size: Size, work: Callable[[Plan], T]) -> T:
        """`work`, done as planned for pictures of `size`, or in smaller tiles if it proves too large."""
        while True:
            plan = self._plans[size]
            smaller = plan.in_smaller_tiles()
            try:
                with within_memory(), self._repeatable(), REUSING if plan.roomy else nullcontext():
                    return work(plan)
            except OutOfMemory:
                if smaller is None:
                    raise
                self._plans[size] = smaller
            # Only here is what the failure held on to free again.
            give_back()
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

    evaluate: Callable[[Terms, Tensor], Unread]
    terms: Terms

    def __call__(self, image: Tensor) -> Evaluation:
        return as_evaluation(*self.evaluate(self.terms, image))

    def unread(self, image: Tensor) -> Evaluation:
        """The same with the numbers left on the device."""
        parts, gradient = self.evaluate(self.terms, image)
        return Evaluation(sum_of(parts), gradient, parts)

    def emphasised(self, *, content: float = 1.0, style: float = 1.0) -> "_Objective":
        return replace(self, terms=self.terms.emphasised(content=content, style=style))


def _on(device: torch.device, pixels: Pixels) -> Tensor:
    return torch.from_numpy(pixels).to(device)


def _moved(manners: Sequence[Manner], device: torch.device) -> tuple[Manner, ...]:
    """The styles as tensors on the device."""
    return tuple(
        replace(
            manner,
            pictures=tuple(_on(device, pixels) for pixels in manner.pictures),
            mask=None if manner.mask is None else _on(device, manner.mask),
        )
        for manner in manners
    )


def _largest(manners: Sequence[Manner]) -> Size:
    return max((size_of(pixels) for manner in manners for pixels in manner.pictures), key=math.prod)
