"""What is optimised: the whole image, its luminance alone, or only the regions where a style applies.

Everything here is NumPy, except for the objective of the parameters, which uses arithmetic that NumPy arrays and torch
tensors share.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Self, cast

import numpy as np

from core.arrays import Array, Pixels, size_of
from core.image.color import luma
from core.multiscale.padding import Margin, reflect
from core.optim.types import Evaluation, Objective, StochasticObjective
from core.styles import StyleExemplar


@dataclass(frozen=True, eq=False)
class Parametrization:
    """Maps the optimised parameters to the network input and to the output image.

    Attributes:
        content_image: The content image (1, 3, H, W).
        luminance_only: The parameters are the luminance (1, 1, H, W). The network reads a grey image, and the output
            has the colours of the content image (Gatys et al., Preserving Color in Neural Artistic Style Transfer,
            arXiv 1606.05897). Otherwise the parameters are the image (1, 3, H, W).
        mask: How much of the output is optimised, (1, 1, H, W) in [0, 1]; the rest is the content image. None for 1
            everywhere.
        padding: Pixels that the network reads beyond every edge (see `core.multiscale.padding`).
    """

    content_image: Pixels
    luminance_only: bool = False
    mask: Pixels | None = None
    padding: int = 0

    @classmethod
    def of(
        cls, content_image: Pixels, exemplars: Sequence[StyleExemplar], *, luminance_only: bool, padding: int = 0
    ) -> Self:
        """Return the parametrization for these styles: only the union of their masks is optimised."""
        masks = [exemplar.mask for exemplar in exemplars]
        present = [mask for mask in masks if mask is not None]
        everywhere = len(present) < len(masks)
        return cls(content_image, luminance_only, None if everywhere else np.maximum.reduce(present), padding)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the parameters."""
        return (1, 1 if self.luminance_only else 3, *self.content_image.shape[2:])

    @property
    def content(self) -> Pixels:
        """The content image (1, 3, H, W) as it is compared with the styles."""
        return self.to_compared(self.content_image)

    def to_compared(self, pixels: Pixels) -> Pixels:
        """Return an image (1, 3, H, W) as it is compared with the styles: grey for luminance, else unchanged."""
        return np.repeat(luma(pixels), 3, axis=1) if self.luminance_only else pixels

    def recolor_style(self, pixels: Pixels) -> Pixels:
        """Return a style image (1, 3, h, w) for the comparison with `content`.

        For luminance: a grey image with the mean and deviation of the luminance of the content image (arXiv
        1606.05897).
        """
        if not self.luminance_only:
            return pixels
        own, other = luma(pixels), luma(self.content_image)
        matched = (own - own.mean()) * (other.std() / max(float(own.std()), 1e-6)) + other.mean()
        return np.repeat(matched.clip(0, 1), 3, axis=1)

    def to_parameters(self, pixels: Pixels) -> Pixels:
        """Return the parameters of an image (1, 3, H, W)."""
        return luma(pixels) if self.luminance_only else pixels

    def to_image(self, parameters: Pixels) -> Pixels:
        """Return the image (1, 3, H, W) in [0, 1] of the parameters."""
        if self.mask is not None:
            parameters = parameters * self.mask + self._fixed_part()
        if not self.luminance_only:
            return parameters
        chrominance = self.content_image - luma(self.content_image)
        return (parameters + chrominance).clip(0, 1)

    def to_network_input(self, pixels: Pixels) -> Pixels:
        """Return an image (1, 3, H, W) as the network reads it: as it is compared, with a margin."""
        return self._with_margin(self.to_compared(pixels))

    def exemplar_to_network_input(self, exemplar: StyleExemplar) -> StyleExemplar:
        """Return a style, recoloured for the comparison with `content`, as the network reads it: with margins."""
        mask, style_mask = (
            None if values is None else reflect(values, self.padding) for values in (exemplar.mask, exemplar.style_mask)
        )
        images = tuple(map(self._with_margin, exemplar.images))
        return replace(exemplar, images=images, mask=mask, style_mask=style_mask)

    def compose_with(self, objective: Objective, to_array: Callable[[Pixels], Array]) -> Objective:
        """Return `objective` as a function of the parameters; `to_array` moves NumPy arrays to where it computes."""
        if not self.luminance_only and self.mask is None and not self.padding:
            return objective
        share = to_array(np.ones((1, 1, 1, 1), np.float32) if self.mask is None else self.mask)
        planes = to_array(np.ones((1, 3, 1, 1), np.float32)) if self.luminance_only else None
        margin = Margin.around(size_of(self.content_image), self.padding).converted(to_array)
        return _ParametrizedObjective(objective, share, to_array(self._fixed_part()), planes, margin)

    def _with_margin(self, pixels: Pixels) -> Pixels:
        return cast("Pixels", Margin.around(size_of(pixels), self.padding).add(pixels))

    def _fixed_part(self) -> Pixels:
        """Return the part of the parameters that is not optimised: the content image outside the mask."""
        content = self.to_parameters(self.content_image)
        if self.mask is None:
            return np.zeros_like(content)
        fixed: Pixels = content * (1 - self.mask)
        return fixed


@dataclass(frozen=True, eq=False)
class _ParametrizedObjective:
    """An objective as a function of the parameters.

    The network reads (parameters · share + fixed) · planes, with a margin. `planes` repeats a luminance in the three
    channels; it is None where the parameters have three channels.
    """

    objective: Objective
    share: Array
    fixed: Array
    planes: Array | None
    margin: Margin

    def __call__(self, parameters: Array) -> Evaluation:
        image = parameters * self.share + self.fixed
        if self.planes is not None:
            image = image * self.planes
        found = self.objective(self.margin.add(image))
        gradient = self.margin.add_backward(found.gradient)
        if self.planes is not None:
            gradient = gradient[:, 0:1] + gradient[:, 1:2] + gradient[:, 2:3]
        return Evaluation(found.loss, gradient * self.share, found.parts)

    def at_step(self, step: int) -> "_ParametrizedObjective":
        """Return the objective for the evaluation number `step`, if it is stochastic."""
        return replace(self, objective=cast("StochasticObjective", self.objective).at_step(step))
