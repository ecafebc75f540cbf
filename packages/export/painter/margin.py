"""The margin around an image in an ONNX graph: `core.multiscale.padding.Margin`."""

import math
from dataclasses import dataclass

import numpy as np

from core.multiscale.padding import NETWORK_GREY
from export.graph.values import Value, arange, concatenated, zeros


@dataclass(frozen=True)
class Margin:
    """A margin of `width` pixels, int64 (), at least 1 and smaller than the sides of the images."""

    width: Value

    def add(self, image: Value) -> Value:
        """Return the image (1, 3, H, W) with its margin: (1, 3, H + 2 width, W + 2 width)."""
        reflected = image.padded({axis: (self.width, self.width) for axis in (2, 3)}, mode="reflect")
        share = self._share(image.side(2), image.side(3))
        return reflected * share + (1 - share) * Value.constant(NETWORK_GREY, np.float32)

    def add_backward(self, gradient: Value) -> Value:
        """Return dL/dimage (1, 3, H, W), given the gradient with respect to the result of `add`."""
        double = self.width * 2
        gradient = gradient * self._share(gradient.side(2) - double, gradient.side(3) - double)
        return self._fold(self._fold(gradient, 3), 2)

    def _share(self, height: Value, width: Value) -> Value:
        """Return the share of the reflection, (1, 1, height + 2 width, width + 2 width)."""
        return self._ramp(height).reshape(1, 1, -1, 1) * self._ramp(width).reshape(1, 1, 1, -1)

    def _ramp(self, side: Value) -> Value:
        phases = (arange(self.width).cast(np.float32) + 0.5) / self.width.cast(np.float32)
        rising = 0.5 - 0.5 * (phases * math.pi).cos()
        falling = 0.5 + 0.5 * (phases * math.pi).cos()
        return concatenated([rising, zeros(np.float32, side) + 1, falling])

    def _fold(self, gradient: Value, axis: int) -> Value:
        """Backward of the reflection along one axis: add the reflected margins to the pixels that they show."""
        width, length = self.width, gradient.side(axis)
        inner = gradient.slice(width, length - width, axis)
        before = gradient.slice(width - 1, -(2**31), axis, step=-1)
        after = gradient.slice(length - 1, length - width - 1, axis, step=-1)
        rest = length - width * 3 - 1  # the side of the image, less the width and one
        return inner + before.padded({axis: (1, rest)}) + after.padded({axis: (rest, 1)})
