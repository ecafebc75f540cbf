"""Continue images beyond their edges, for the network.

The convolutions of the network continue every layer with zeros. Where an image simply ends, its features therefore
differ from all others, and a style loss copies frames and dark edges of the style image to the edges of the output.
With a margin the image is continued by its reflection, which fades into a grey that the network reads as zeros.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from core.arrays import Array, Pixels, Size, empty, flipped
from core.network.architecture import IMAGENET_MEAN

NETWORK_GREY = np.array(IMAGENET_MEAN, np.float32).reshape(1, 3, 1, 1)
"""The colour, RGB in [0, 1], that the preprocessing of all network weights subtracts within 0.005."""


@dataclass(frozen=True, eq=False)
class Margin:
    """The margin around images of one size. Works on NumPy arrays and torch tensors, without host synchronisation.

    Attributes:
        width: Its width in pixels, smaller than the sides of the image; 0 for none.
        share: The share of the reflection, (1, 1, H + 2 width, W + 2 width): 1 in the image, and falling to 0 along
            half a period of a cosine.
        grey: The rest, (1, 3, H + 2 width, W + 2 width).
    """

    width: int
    share: Array
    grey: Array

    @classmethod
    def around(cls, size: Size, width: int) -> Self:
        """Return the margin around images of `size`, as NumPy arrays."""
        ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(width, dtype=np.float32) + 0.5) / width)
        columns, rows = (np.concatenate([ramp, np.ones(side, np.float32), ramp[::-1]]) for side in size)
        share = (rows[:, None] * columns)[None, None]
        return cls(width, share, NETWORK_GREY * (1 - share))

    def converted(self, to_array: Callable[[Pixels], Array]) -> Self:
        """Return the margin for arrays of another type."""
        return replace(self, share=to_array(self.share), grey=to_array(self.grey)) if self.width else self

    def add(self, image: Array) -> Array:
        """Return the image (1, 3, H, W) with its margin: (1, 3, H + 2 width, W + 2 width)."""
        return reflect(image, self.width) * self.share + self.grey if self.width else image

    def add_backward(self, gradient: Array) -> Array:
        """Return dL/dimage (1, 3, H, W), given the gradient with respect to the result of `add`."""
        return reflect_backward(gradient * self.share, self.width) if self.width else gradient


def reflect(image: Array, width: int) -> Array:
    """Return (1, C, H + 2 width, W + 2 width): the image (1, C, H, W) between its reflections at all edges.

    The outermost pixels are not repeated, so that `width` must be smaller than H and W.
    """
    if width == 0:
        return image
    _, channels, image_height, image_width = image.shape
    padded = empty((1, channels, image_height + 2 * width, image_width + 2 * width), image)
    padded[..., width:-width, width:-width] = image
    for view in (padded[..., width:-width].swapaxes(2, 3), padded):
        view[..., :width] = flipped(view[..., width + 1 : 2 * width + 1])
        view[..., -width:] = flipped(view[..., -2 * width - 1 : -width - 1])
    return padded


def reflect_backward(gradient: Array, width: int) -> Array:
    """Return dL/dimage (1, C, H, W), given the gradient with respect to the result of `reflect`.

    `gradient` is overwritten.
    """
    if width == 0:
        return gradient
    for view in (gradient, gradient[..., width:-width].swapaxes(2, 3)):
        view[..., width + 1 : 2 * width + 1] += flipped(view[..., :width])
        view[..., -2 * width - 1 : -width - 1] += flipped(view[..., -width:])
    return gradient[..., width:-width, width:-width]
