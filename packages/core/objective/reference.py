"""The objective by autograd on the whole image: the reference that tests, exports and benchmarks compare with."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from core.objective.evaluate import LossTerms, as_evaluation, total_loss
from core.objective.types import Targets
from core.objective.weights import LossWeights
from core.optim.types import Evaluation


class ReferenceObjective:
    """The same loss as `core.objective.tiled.TiledObjective`, with the gradient computed by autograd."""

    def __init__(
        self, extractor: Callable[[Tensor], Mapping[str, Tensor]], targets: Targets, weights: LossWeights
    ) -> None:
        """`extractor` returns the features (1, C, h, w) by tap of an image (1, 3, H, W)."""
        self._extractor, self._targets, self._terms = extractor, targets, LossTerms.of(weights)

    def __call__(self, image: Tensor) -> Evaluation:
        """Evaluate at `image` (1, 3, H, W), RGB in [0, 1], with the size of the content image."""
        image = image.detach().requires_grad_(True)
        parts = self.parts(image)
        (gradient,) = torch.autograd.grad(total_loss(parts), image)
        return as_evaluation(parts, gradient)

    def parts(self, image: Tensor) -> dict[str, Tensor]:
        """Return the weighted terms of the loss, named content, style and tv; terms without weight are left out."""
        targets = self._targets
        statistics = self._terms.statistics(self._extractor(image), targets.content_region, targets.regions)
        return self._terms.weighted_losses(statistics, image, targets.styles)
