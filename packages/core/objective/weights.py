"""The weights of the terms of the loss, the same for every backend. Without PyTorch."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from core.config.style_losses import style_loss_spec
from core.config.transfer_config import TransferConfig


@dataclass(frozen=True)
class LossWeights:
    """The weights of the content and style layers and of total variation, and the losses that they belong to.

    `content_detail` is the power by which the content counts more where it has detail, and `style_loss` the name of the
    style loss. The weights are for the features of one particular network: `of` divides by the scale of its
    activations.
    """

    content: Mapping[str, float]
    style: Mapping[str, float]
    tv: float
    style_loss: str
    content_detail: float

    @classmethod
    def of(cls, config: TransferConfig, activation_scale: float) -> Self:
        """Return the weights of `config` for features that are `activation_scale` times those of unit variance.

        A ReLU network without biases is homogeneous: the mean squared difference of its features grows with the square
        of that scale, that of their Gram matrices with its fourth power. The division gives one weight the same meaning
        for every source of network weights.
        """
        content = activation_scale**2
        style = content ** (style_loss_spec(config.style_loss).activation_power / 2)
        return cls(
            content={tap: weight / content for tap, weight in config.content_weights.items()},
            style={tap: weight / style for tap, weight in config.style_weights.items()},
            tv=config.total_variation_weight,
            style_loss=config.style_loss,
            content_detail=config.content_detail,
        )

    def scaled(self, *, content: float = 1.0, style: float = 1.0, tv: float = 1.0) -> Self:
        """Return a copy with the weights of content, style and total variation multiplied by these factors."""
        return replace(
            self,
            content={tap: content * weight for tap, weight in self.content.items()},
            style={tap: style * weight for tap, weight in self.style.items()},
            tv=tv * self.tv,
        )
