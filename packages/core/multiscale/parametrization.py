"""What is optimised, where that is not the whole picture: only its luminance, or only some of its regions.

The optimiser sees an array; the network sees what the canvas makes of it, and a user gets what it delivers. All of it
is NumPy, but for what runs at every evaluation, which is arithmetic that NumPy arrays and torch tensors share.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from core.arrays import Array, Pixels
from core.image.color import luma
from core.optim.types import Evaluation, Objective
from core.styles import StyleExemplar


@dataclass(frozen=True, eq=False)
class Parametrization:
    """How the array that is optimised becomes a picture.

    `photograph` is the content (1, 3, H, W). With `luminance` the array is (1, 1, H, W), the brightness alone: the
    network sees it in grey, and the picture has the photograph's colours (Gatys et al., Preserving Color in Neural
    Artistic Style Transfer, arXiv 1606.05897). Where `paintable`, (1, 1, H, W) in [0, 1], is less than 1, so much of
    the photograph shows through; None paints everywhere.
    """

    photograph: Pixels
    luminance: bool = False
    paintable: Pixels | None = None

    @classmethod
    def of(cls, photograph: Pixels, exemplars: Sequence[StyleExemplar], *, luminance: bool) -> Self:
        """The canvas for these styles: painted only where one of them is wanted."""
        masks = [exemplar.mask for exemplar in exemplars]
        present = [mask for mask in masks if mask is not None]
        everywhere = len(present) < len(masks)
        return cls(photograph, luminance, None if everywhere else np.maximum.reduce(present))

    @property
    def content(self) -> Pixels:
        """The photograph as the network sees it."""
        return self._grey(self.photograph) if self.luminance else self.photograph

    def style(self, pixels: Pixels) -> Pixels:
        """A style (1, 3, h, w) as the network sees it: for luminance grey, as bright and contrasty as the photograph.

        As in arXiv 1606.05897.
        """
        if not self.luminance:
            return pixels
        own, other = luma(pixels), luma(self.photograph)
        matched = (own - own.mean()) * (other.std() / max(float(own.std()), 1e-6)) + other.mean()
        return np.repeat(matched.clip(0, 1), 3, axis=1)

    def array(self, pixels: Pixels) -> Pixels:
        """What is optimised of a picture (1, 3, H, W)."""
        return luma(pixels) if self.luminance else pixels

    def deliver(self, array: Pixels) -> Pixels:
        """The picture (1, 3, H, W) in [0, 1] that the array stands for."""
        array = self._composed(array)
        if not self.luminance:
            return array
        colours = self.photograph - luma(self.photograph)
        return (array + colours).clip(0, 1)

    def seen(self, pixels: Pixels) -> Pixels:
        """What the network sees of a picture that was delivered."""
        return self._grey(pixels) if self.luminance else pixels

    def wrap(self, objective: Objective, to_array: Callable[[Pixels], Array]) -> Objective:
        """The objective as a function of the array; `to_array` brings NumPy arrays to where it computes."""
        if not self.luminance and self.paintable is None:
            return objective
        share = to_array(np.ones((1, 1, 1, 1), np.float32) if self.paintable is None else self.paintable)
        rest = to_array(self._rest())
        planes = to_array(np.ones((1, 3, 1, 1), np.float32)) if self.luminance else 1

        def evaluate(array: Array) -> Evaluation:
            there = objective((array * share + rest) * planes)
            gradient = there.gradient
            if self.luminance:
                gradient = gradient[:, 0:1] + gradient[:, 1:2] + gradient[:, 2:3]
            return Evaluation(there.loss, gradient * share, there.parts)

        return evaluate

    def _composed(self, array: Pixels) -> Pixels:
        return array if self.paintable is None else array * self.paintable + self._rest()

    def _rest(self) -> Pixels:
        """What shows of the photograph whatever is painted."""
        photograph = self.array(self.photograph)
        if self.paintable is None:
            return np.zeros_like(photograph)
        rest: Pixels = photograph * (1 - self.paintable)
        return rest

    @staticmethod
    def _grey(pixels: Pixels) -> Pixels:
        return np.repeat(luma(pixels), 3, axis=1)
