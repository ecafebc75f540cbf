"""What a style loss is: a statistic of the features of a layer, a target made of style images, and a distance.

Each style loss is one class in one module. `core.config.style_losses` registers it under its name, with what the
configuration and the memory plan must know of it without importing PyTorch.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cache
from typing import Self

import torch
from torch import Tensor

from core.config.style_losses import load_reference, style_loss_spec
from core.objective.types import LayerFeatures


class StyleLoss(ABC):
    """The distance between the style of an image and that of style images, at one layer.

    The loss of an image is `loss(statistic(features), target)`. Its gradient with respect to the features is computed
    in two parts: autograd differentiates `loss`, and `backward` is the backward of `statistic`.

    A loss that is registered as `tileable` has a statistic that is a mean over the positions, so that the statistics
    of tiles, weighted by their shares of the positions, add up to that of the whole image. Otherwise images are
    evaluated whole, and the statistic may have any shape.

    A loss that is registered with `position_targets` compares the features at every position with a target for that
    position. Its statistic contains this comparison, so that it can be tileable as well. It implements
    `position_targets` in place of `target`.
    """

    @abstractmethod
    def statistic(self, features: Tensor, mask: Tensor | None = None, target: Tensor | None = None) -> Tensor:
        """Return the statistic of features (1, C, h, w).

        `mask` (1, 1, h, w), with mean 1, weights the positions. `target` (1, C, h, w) holds the position targets.
        """

    def target(self, statistics: Sequence[Tensor], areas: Sequence[int]) -> Tensor:
        """Return the target made of the statistics of the style images of one style.

        By default it is their mean, weighted by the `areas`, which are the numbers of pixels of these images. Targets
        are computed anew at every scale.
        """
        weighted = [area / sum(areas) * statistic for area, statistic in zip(areas, statistics, strict=True)]
        return torch.stack(weighted).sum(0)

    def position_targets(
        self,
        styles: Sequence[LayerFeatures],
        content: LayerFeatures,
        image: LayerFeatures,
        style_mask: Tensor | None = None,
        *,
        separate_layers: bool = False,
    ) -> LayerFeatures:
        """Return the target (1, C, h, w) of every position by tap.

        They are computed anew at every scale, for each style.

        Args:
            styles: Features of the images of one style.
            content: Features of the content image.
            image: Features of the image that the optimisation of the scale starts from, as large as `content`.
            style_mask: How much each position of the only style image counts, (1, 1, H, W).
            separate_layers: Whether each layer finds its targets by itself, which is so in a final pass.
        """
        raise NotImplementedError

    @abstractmethod
    def loss(self, statistic: Tensor, target: Tensor) -> Tensor:
        """Return the loss as a scalar tensor, differentiable by autograd with respect to `statistic`."""

    @abstractmethod
    def backward(
        self,
        grad: Tensor,
        features: Tensor,
        grad_statistic: Tensor,
        mask: Tensor | None = None,
        target: Tensor | None = None,
    ) -> None:
        """Accumulate dL/dfeatures into `grad` (1, C, h, w), given dL/dstatistic.

        `mask` and `target` are those of `statistic`.
        """

    def at_step(self, step: int) -> Self:
        """Return the loss for the evaluation number `step`.

        Losses registered as `stochastic`, which no built-in loss is, sample positions anew for every evaluation, with a
        generator seeded by `step`, so that a resumed run samples the same positions.
        """
        return self


@cache
def load_style_loss(name: str) -> StyleLoss:
    """Import and create the style loss that is registered under `name`.

    Raises:
        UsageError: No loss has that name.
    """
    loss: StyleLoss = load_reference(style_loss_spec(name).implementation)()
    return loss
