"""The images of one scale in an ONNX graph: `core.multiscale.preparation` and `core.multiscale.initial_image`."""

from dataclasses import dataclass

import numpy as np

from core.config.transfer_config import TransferConfig
from export.graph.values import Value, minimum
from export.painter.color import match_colors
from export.painter.resizing import resize
from export.painter.schedule import GraphScale


@dataclass(frozen=True)
class ScaleImages:
    """The images of one scale, (1, 3, H, W) float32 RGB in [0, 1].

    Attributes:
        content: The content image.
        style: The style image, (1, 3, h, w).
        matched: The content image with the colours of the style image.
    """

    content: Value
    style: Value
    matched: Value

    @classmethod
    def of(cls, content: Value, style: Value, scale: GraphScale) -> "ScaleImages":
        """Return the images at the size of a scale."""
        resized = resize(content, scale.height, scale.width)
        resized_style = resize(style, scale.style_height, scale.style_width)
        return cls(resized, resized_style, match_colors(resized, resized_style).clip(0, 1))

    @property
    def comparison(self) -> Value:
        """The image at which the gradients of content and style are compared: `comparison_image`."""
        mean = self.matched.mean(2, 3, keepdims=True)
        return mean + (self.matched - mean) / 2

    def initial(self, strength: Value | None, config: TransferConfig) -> Value:
        """Return the image that a run starts from: `initial_image`, for --init content and --init matched."""
        if config.init == "content":
            return self.content
        if strength is None:
            return self.matched
        share = minimum(2 * strength, Value.constant(1, np.float32))
        return (1 - share) * self.content + share * self.matched

    def finer_initial(self, coarse: Value, initial: Value, config: TransferConfig) -> Value:
        """Return the image that this scale starts from after a coarser one: `finer_initial_image`."""
        enlarged = resize(coarse, initial.side(2), initial.side(3))
        return match_colors(enlarged, initial).clip(0, 1) if config.init == "matched" else enlarged
