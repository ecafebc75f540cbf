"""Types that the modules of the objective share."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

LayerFeatures = Mapping[str, Tensor]
"""Features (1, C, h, w) of an image by tap."""


@dataclass(frozen=True)
class Region:
    """Where a loss applies, and what a loss with position targets, such as the content loss, compares features with.

    Attributes:
        masks: Masks (1, 1, h, w) with mean 1, by tap; None for the whole image.
        targets: Targets (1, C, h, w) of the positions, by tap; None for other losses.
    """

    masks: Mapping[str, Tensor] | None = None
    targets: Mapping[str, Tensor] | None = None

    def mask(self, tap: str) -> Tensor | None:
        """Return the mask at a tap."""
        return None if self.masks is None else self.masks[tap]

    def target(self, tap: str) -> Tensor | None:
        """Return the targets of the positions at a tap."""
        return None if self.targets is None else self.targets[tap]

    def given_target(self, tap: str) -> Tensor:
        """Return the targets of the positions at a tap, where there are targets."""
        assert self.targets is not None, "the content has targets"
        return self.targets[tap]


WHOLE = (Region(),)

FeatureStatistics = dict[tuple[str, str, int], Tensor]
"""Sufficient statistics of the features of an image, keyed by ("content" or "style", tap, region index).

Content losses are scalars; style statistics have the shape that the style loss gives them.
"""


@dataclass(frozen=True)
class StyleTarget:
    """The target of one style: what a `core.objective.style_loss.StyleLoss` makes of its images, by tap.

    `weight` multiplies the style weights, and `region` is the index of the region that the style applies to.
    """

    statistics: Mapping[str, Tensor]
    weight: float = 1.0
    region: int = 0


@dataclass(frozen=True)
class Targets:
    """All targets of one scale.

    Attributes:
        content: Features (1, C, h, w) of the content image by tap.
        styles: The styles.
        regions: Where the styles apply.
        content_masks: How much the content counts at each position, (1, 1, h, w) with mean 1 by tap; None for the same
            everywhere.
    """

    content: Mapping[str, Tensor]
    styles: tuple[StyleTarget, ...]
    regions: tuple[Region, ...] = WHOLE
    content_masks: Mapping[str, Tensor] | None = None

    @property
    def content_region(self) -> Region:
        """The content targets with their masks."""
        return Region(self.content_masks, self.content)
