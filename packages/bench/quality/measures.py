"""The measures of a picture, against the content and style images that it was made from."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray
from torch import Tensor

from bench.quality.color import color_difference, color_quantiles
from bench.quality.dirt import dirt, high_frequency_energy, low_contrast_mask
from bench.quality.efficientnet import EfficientNetLite0
from bench.quality.structure import self_similarity, structure_difference
from bench.quality.style import style_difference, style_statistics
from bench.results import Measures
from core.arrays import Pixels

STRUCTURE_TAP = "stride 16"


@dataclass(frozen=True, eq=False)
class Reference:
    """What the pictures of one pair of content and style are compared with."""

    network: EfficientNetLite0
    similarity: Tensor
    flat: NDArray[Any]
    statistics: dict[str, Tensor]
    quantiles: NDArray[Any]
    style_energy: float

    @classmethod
    def of(cls, network: EfficientNetLite0, content: Pixels, style: Pixels) -> "Reference":
        """Compute the reference of a content image (1, 3, H, W) of the size of the pictures, and of a style image."""
        return cls(
            network,
            similarity=self_similarity(network.features(content)[STRUCTURE_TAP]),
            flat=low_contrast_mask(content),
            statistics=style_statistics(network.features(style)),
            quantiles=color_quantiles(style),
            style_energy=high_frequency_energy(style),
        )

    def measure(self, picture: Pixels) -> Measures:
        """Return the measures of a picture (1, 3, H, W), which has the size of the content image."""
        features = self.network.features(picture)
        return Measures(
            structure=structure_difference(self_similarity(features[STRUCTURE_TAP]), self.similarity),
            style=style_difference(style_statistics(features), self.statistics),
            color=color_difference(color_quantiles(picture), self.quantiles),
            dirt=dirt(picture, self.flat, self.style_energy),
        )
