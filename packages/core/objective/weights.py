"""The weights of the objective's terms, the same for every engine. Without PyTorch."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from core.config.transfer_config import TransferConfig


@dataclass(frozen=True)
class LossWeights:
    """The weights of the terms, in units of an extractor's own features."""

    content: Mapping[str, float]
    style: Mapping[str, float]
    tv: float
    style_loss: str

    @classmethod
    def of(cls, config: TransferConfig, activation_scale: float) -> Self:
        """The weights of `config` for features `activation_scale` times larger than unit-variance input gives.

        A ReLU network without biases is homogeneous, so the mean squared difference of its features grows with
        the square of that scale and that of their Grams with its fourth power. Dividing by it lets one weight
        mean the same with every source of the network's weights.
        """
        squared = activation_scale**2
        style = squared**2 if config.style_loss == "gram" else squared
        return cls(
            content={tap: weight / squared for tap, weight in config.content_weights.items()},
            style={tap: weight / style for tap, weight in config.style_weights.items()},
            tv=config.tv_weight,
            style_loss=config.style_loss,
        )

    def scaled(self, *, content: float = 1.0, style: float = 1.0) -> Self:
        """The same with the weights of the content multiplied by `content` and those of the style by `style`."""
        return replace(
            self,
            content={tap: content * weight for tap, weight in self.content.items()},
            style={tap: style * weight for tap, weight in self.style.items()},
        )

    def without_content(self) -> Self:
        """The same without the content, for pictures of which only the style counts."""
        return replace(self, content={})
