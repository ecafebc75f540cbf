"""Types that the modules of the objective share."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

Region = Mapping[str, Tensor] | None
"""Where a style applies: masks (1, 1, h, w) with mean 1, by tap; None for the whole image."""

WHOLE: tuple[Region, ...] = (None,)

FeatureStatistics = dict[tuple[str, str, int], Tensor]
"""Sufficient statistics of the features of an image, keyed by ("content" or "style", tap, region index).

Content losses are scalars; style statistics have the shape that the style loss gives them.
"""


@dataclass(frozen=True)
class StyleTarget:
    """The target of one style: what `core.objective.style_loss.StyleLoss.target` returns, by tap.

    `weight` multiplies the style weights, and `region` is the index of the region that the style applies to.
    """

    statistics: Mapping[str, Tensor]
    weight: float = 1.0
    region: int = 0


@dataclass(frozen=True)
class Targets:
    """All targets of one scale: features (1, C, h, w) of the content image by tap, and styles with their regions."""

    content: Mapping[str, Tensor]
    styles: tuple[StyleTarget, ...]
    regions: tuple[Region, ...] = WHOLE
