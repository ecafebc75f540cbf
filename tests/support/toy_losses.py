"""Style losses that the tests add from this one file: for tiles, for positions that are sampled, and for export."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from core.config.style_losses import ExportedTarget, StyleLossSpec, register_style_loss
from core.objective.reductions import mean_square
from core.objective.style_loss import StyleLoss


class ChannelMeans(StyleLoss):
    """Mean squared difference of the means of the channels; can be tiled."""

    def statistic(self, features: Tensor, mask: Tensor | None = None, target: Tensor | None = None) -> Tensor:
        return (features if mask is None else features * mask).mean((2, 3))

    def loss(self, statistic: Tensor, target: Tensor) -> Tensor:
        return mean_square(statistic - target)

    def backward(
        self,
        grad: Tensor,
        features: Tensor,
        grad_statistic: Tensor,
        mask: Tensor | None = None,
        target: Tensor | None = None,
    ) -> None:
        grad_position = grad_statistic[..., None, None] / features[0, 0].numel()
        grad += grad_position if mask is None else grad_position * mask


class ColumnOfMeans(ChannelMeans):
    """`ChannelMeans` with a statistic (N, C, 1), as an exported objective takes it."""

    def statistic(self, features: Tensor, mask: Tensor | None = None, target: Tensor | None = None) -> Tensor:
        return super().statistic(features, mask).unsqueeze(2)


def column_of_means(features: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """The statistic of `ColumnOfMeans` in NumPy."""
    return (features if mask is None else features * mask).mean((2, 3))[..., None]


@dataclass(frozen=True)
class SampledMeans(StyleLoss):
    """The means of the channels over positions that are sampled anew for every step."""

    step: int = 0

    def statistic(self, features: Tensor, mask: Tensor | None = None, target: Tensor | None = None) -> Tensor:
        return features.flatten(2)[..., self._positions(features)].mean(2)

    def loss(self, statistic: Tensor, target: Tensor) -> Tensor:
        return mean_square(statistic - target)

    def backward(
        self,
        grad: Tensor,
        features: Tensor,
        grad_statistic: Tensor,
        mask: Tensor | None = None,
        target: Tensor | None = None,
    ) -> None:
        positions = self._positions(features)
        flat = torch.zeros_like(grad).flatten(2)
        flat[..., positions] = (grad_statistic / len(positions)).unsqueeze(2)
        grad += flat.reshape(grad.shape)

    def at_step(self, step: int) -> "SampledMeans":
        return SampledMeans(step)

    def _positions(self, features: Tensor) -> Tensor:
        count = features[0, 0].numel()
        generator = torch.Generator().manual_seed(self.step)
        return torch.randperm(count, generator=generator)[: max(1, count // 2)]


SPECS = (
    StyleLossSpec(
        name="channel-means",
        implementation="support.toy_losses:ChannelMeans",
        help="means of the channels",
        tileable=True,
        activation_power=2,
        statistic_size=lambda channels: channels,
    ),
    StyleLossSpec(
        name="sampled-means",
        implementation="support.toy_losses:SampledMeans",
        help="means over sampled positions",
        tileable=False,
        activation_power=2,
        stochastic=True,
    ),
)


COLUMN_OF_MEANS = StyleLossSpec(
    name="column-of-means",
    implementation="support.toy_losses:ColumnOfMeans",
    help="means of the channels",
    tileable=True,
    activation_power=2,
    statistic_size=lambda channels: channels,
    exported=ExportedTarget(
        meaning="means of the channels of the style image",
        columns=lambda channels: 1,
        statistic="support.toy_losses:column_of_means",
    ),
)
"""A loss that can be exported, which `register` does not add."""


def register() -> None:
    """Register the losses."""
    for spec in SPECS:
        register_style_loss(spec)
