"""What a run reports after every step, and what it returns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from typing import Any

import PIL.Image

from core.arrays import Pixels, Size
from core.backends.base import Backend
from core.image.writing import quantize, to_image, write_image
from core.multiscale.parametrization import Parametrization
from core.optim.types import Evaluation, Objective, Step
from core.runs.record import embedded


@dataclass(frozen=True)
class Progress:
    """Where a run stands after a step, with the best picture of this scale so far.

    `fraction` is the share of the whole work done, by pixels and evaluations, in (0, 1]. `resumed` says that an
    earlier run took the step, and left it in a checkpoint.
    """

    scale: int
    scales: int
    size: Size
    evaluations: int
    total_evaluations: int
    loss: float
    parts: Mapping[str, float]
    seconds: float
    fraction: float
    resumed: bool
    _step: Step = field(repr=False)
    _engine: Backend = field(repr=False)
    _objective: Objective = field(repr=False)
    _canvas: Parametrization = field(repr=False)

    @cached_property
    def pixels(self) -> Pixels:
        """The picture so far, (1, 3, H, W) RGB in [0, 1], at the size of this scale."""
        return self._canvas.deliver(self._engine.to_pixels(self._step.image))

    @cached_property
    def image(self) -> PIL.Image.Image:
        """The picture so far, with 8 bits a channel."""
        return to_image(self.pixels)

    def delivered(self, bit_depth: int) -> Evaluation:
        """The objective at the picture as a file of that depth holds it."""
        seen = self._canvas.seen(quantize(self.pixels, bit_depth))
        return self._objective(self._engine.to_array(seen))

    @property
    def numpy_step(self) -> Step:
        """The step that the optimiser took, and can go on from, its arrays NumPy's."""
        return self._step.converted(self._engine.to_pixels)

    def losses(self) -> dict[str, Any]:
        """The numbers alone, JSON-ready."""
        return {
            "scale": self.scale,
            "evaluations": self.evaluations,
            "loss": self.loss,
            **self.parts,
            "seconds": round(self.seconds, 3),
        }


Callback = Callable[[Progress], bool | None]
"""Called after every step; the run stops, and delivers what it has, once it returns True."""


@dataclass(frozen=True)
class Result:
    """A painting: (1, 3, H, W) RGB in [0, 1], the content's alpha if it had one, and how it came about."""

    pixels: Pixels = field(repr=False)
    alpha: Pixels | None = field(repr=False)
    record: Mapping[str, Any] = field(repr=False)

    @cached_property
    def image(self) -> PIL.Image.Image:
        """The painting with 8 bits a channel, RGB or RGBA."""
        return to_image(self.pixels, self.alpha)

    @property
    def losses(self) -> list[dict[str, Any]]:
        """The losses after every step."""
        return list(self.record["losses"])

    def save(self, path: str | PathLike[str]) -> None:
        """Write the painting, its record inside; the name's ending chooses the format."""
        config = self.record["config"]
        write_image(
            path,
            self.pixels,
            alpha=self.alpha,
            bit_depth=config["bit_depth"],
            quality=config["quality"],
            record=embedded(self.record),
        )
