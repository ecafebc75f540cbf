"""The backend that painters are compared with: autograd on the whole image, in float32 or float64."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.arrays import Array, Pixels, Size
from core.config.transfer_config import TransferConfig
from core.memory.plan import Memory, Plan, plan_memory
from core.network.vgg import VGGFeatures
from core.objective.reference import ReferenceObjective
from core.objective.targets import compute_targets
from core.objective.tiled_extractor import TiledFeatureExtractor
from core.objective.types import Targets
from core.objective.weights import LossWeights
from core.optim.minimize import minimize
from core.optim.types import Evaluation, Objective, Step, WeightedObjective
from core.styles import StyleExemplar


class ReferenceBackend:
    """A backend on the CPU in the precision of its network.

    Attributes:
        losses: The loss of each evaluation of the optimiser.
    """

    def __init__(self, extractor: VGGFeatures, config: TransferConfig, activation_scale: float) -> None:
        """`extractor` returns at least the layers of `config`, in float32 or float64."""
        self.losses: list[float] = []
        self._extractor, self._config = extractor, config
        self._weights = LossWeights.of(config, activation_scale)
        self._dtype = next(extractor.parameters()).dtype

    def plan(self, size: Size, style_size: Size) -> Plan:
        """Return the plan for the whole image at once, without a check."""
        return plan_memory(size, style_size, self._config, Memory(math.inf))

    def to_array(self, pixels: Pixels, plan: Plan | None = None) -> Tensor:
        """Return an image as a tensor."""
        return torch.from_numpy(np.ascontiguousarray(pixels)).to(self._dtype)

    def to_pixels(self, array: Tensor) -> Pixels:
        """Return a tensor as an image."""
        return array.float().numpy()

    def objective(
        self,
        content: Pixels,
        exemplars: Sequence[StyleExemplar],
        plan: Plan,
        *,
        image: Pixels | None = None,
        separate_layers: bool = False,
    ) -> "ReferenceWeightedObjective":
        """Compute the targets and return the objective."""
        extractor = TiledFeatureExtractor.whole(self._extractor, self._extractor.arch, self._extractor.taps)
        styles = [replace(one, images=tuple(map(self.to_array, one.images))) for one in exemplars]
        targets = compute_targets(extractor, self.to_array(content), styles, self._weights)
        return ReferenceWeightedObjective(self._extractor, targets, self._weights)

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
        """Minimise the objective, yield every step, and record every loss."""
        composed = compose(objective)

        def recorded(image: Tensor) -> Evaluation:
            found = composed(image)
            self.losses.append(found.loss)
            return found

        return minimize(recorded, start, evaluations=evaluations, config=self._config, history=plan.history)

    def describe(self) -> Mapping[str, Any]:
        """Return the name of the backend."""
        return {"name": "reference"}


class ReferenceWeightedObjective:
    """An objective by autograd, whose weights can be changed."""

    def __init__(self, extractor: VGGFeatures, targets: Targets, weights: LossWeights) -> None:
        self._extractor, self._targets, self._weights = extractor, targets, weights
        self._objective = ReferenceObjective(extractor, targets, weights)

    def __call__(self, image: Tensor) -> Evaluation:
        """Evaluate at `image` (1, 3, H, W), RGB in [0, 1]."""
        return self._objective(image)

    def scaled(self, *, content: float = 1.0, style: float = 1.0, tv: float = 1.0) -> "ReferenceWeightedObjective":
        """Return the objective with other weights: see `LossWeights.scaled`."""
        weights = self._weights.scaled(content=content, style=style, tv=tv)
        return ReferenceWeightedObjective(self._extractor, self._targets, weights)
