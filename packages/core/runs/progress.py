"""What a run reports after every step, and what it returns."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from os import PathLike
from typing import Any

import PIL.Image

from core.arrays import Pixels, Size
from core.errors import StyleTransferError, first_line
from core.image.compositing import over_white, without_white
from core.image.resize import resize
from core.image.writing import quantize, to_image, write_image
from core.multiscale.problem import ScaleProblem
from core.multiscale.schedule import Scale, fraction_done
from core.optim.types import Step
from core.runs.record import record_for_embedding


@dataclass(frozen=True)
class Progress:
    """The state of a run after a step, with the best image of the present scale so far.

    Attributes:
        scale: Number of the scale, from 1.
        scales: Number of scales.
        size: Width and height of the image at this scale.
        evaluations: Evaluations so far, over all scales.
        total_evaluations: Evaluations of the whole run.
        loss: The loss of the image.
        parts: The weighted terms of the loss, by name.
        seconds: Time since the start; for a resumed run, with the time of the earlier run.
        fraction: The fraction of the work done, in pixels times evaluations, in (0, 1].
        resumed: Whether this is the step of an earlier run that the checkpoint holds.
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
    _get_pixels: Callable[[], Pixels] = field(repr=False)
    _content_alpha: Pixels | None = field(repr=False)

    @cached_property
    def pixels(self) -> Pixels:
        """The image so far, (1, 3, H, W) RGB in [0, 1], at the size of this scale."""
        return self._get_pixels()

    @property
    def alpha(self) -> Pixels | None:
        """The alpha channel of the content image, (1, 1, H, W) in [0, 1] at the size of this scale, if it has one."""
        return None if self._content_alpha is None else resize(self._content_alpha, self.size)

    @property
    def colors(self) -> Pixels:
        """The colours (1, 3, H, W) of a file with `alpha`; `pixels` shows them over white."""
        return self.pixels if self.alpha is None else without_white(self.pixels, self.alpha)

    @cached_property
    def image(self) -> PIL.Image.Image:
        """The image so far, with 8 bits per channel."""
        return to_image(self.pixels)

    def delivered_loss(self, bit_depth: int) -> dict[str, float]:
        """Return the loss and its terms at the image as a file with that many bits stores it, as far as it is known."""
        return {"loss": self.loss, **self.parts}

    def losses(self) -> dict[str, Any]:
        """Return the numbers, JSON-ready."""
        return {
            "scale": self.scale,
            "evaluations": self.evaluations,
            "loss": self.loss,
            **self.parts,
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True)
class ScaleProgress(Progress):
    """The progress of a run whose optimiser is in this program, with what it needs to continue from here."""

    _step: Step = field(repr=False)
    _problem: ScaleProblem = field(repr=False)

    def delivered_loss(self, bit_depth: int) -> dict[str, float]:
        """Return the loss and its terms at the image as a file with that many bits per channel stores it, evaluated.

        Raises:
            StyleTransferError: The loss or the gradient is not finite: the optimiser ended because it found no better
                image, but not because there is none.
        """
        saved, alpha = quantize(self.colors, bit_depth), self.alpha
        if alpha is not None:
            saved = over_white(saved, quantize(alpha, bit_depth))
        evaluation = self._problem.evaluate(saved, "the result")
        return {"loss": evaluation.loss, **evaluation.parts}

    @property
    def numpy_step(self) -> Step:
        """The step of the optimiser, with NumPy arrays, to continue from."""
        return self._step.converted(self._problem.to_pixels)

    @property
    def initial_parameters(self) -> Pixels | None:
        """The parameters that the scale started from, if the targets of the style loss depend on them."""
        return self._problem.initial


@dataclass(frozen=True)
class ScaleReporter:
    """Reports the steps of a run scale by scale.

    Attributes:
        schedule: The scales.
        total_evaluations: Evaluations of the whole run.
        started: When the run started by `time.perf_counter`, as if it had not been interrupted.
        resumed_at: Evaluations of the step from which an earlier run is continued, if there is one.
        content_alpha: The alpha channel of the content image (1, 1, H, W) in [0, 1], if it has one.
    """

    schedule: Sequence[Scale]
    total_evaluations: int
    started: float
    resumed_at: int | None
    content_alpha: Pixels | None

    def progress(self, step: Step, problem: ScaleProblem, number: int, used: int) -> ScaleProgress:
        """Return the progress after a step of scale `number`; the earlier scales used `used` evaluations."""
        evaluations = used + step.evaluations
        return ScaleProgress(
            scale=number,
            scales=len(self.schedule),
            size=problem.scale.size,
            evaluations=evaluations,
            total_evaluations=self.total_evaluations,
            loss=step.loss,
            parts=step.parts,
            seconds=time.perf_counter() - self.started,
            fraction=fraction_done(self.schedule, evaluations),
            resumed=evaluations == self.resumed_at,
            _get_pixels=partial(problem.image_of, step),
            _content_alpha=self.content_alpha,
            _step=step,
            _problem=problem,
        )


Callback = Callable[[Progress], bool | None]
"""Called after every step. If it returns True, the run ends and returns the image so far."""


@dataclass(frozen=True)
class Result:
    """The output of a run.

    Attributes:
        pixels: The image (1, 3, H, W), RGB in [0, 1], not multiplied by alpha.
        alpha: The alpha channel of the content image (1, 1, H, W) in [0, 1], if it has one.
        record: The run record (see `core.runs.record`).
    """

    pixels: Pixels = field(repr=False)
    alpha: Pixels | None = field(repr=False)
    record: Mapping[str, Any] = field(repr=False)

    @cached_property
    def image(self) -> PIL.Image.Image:
        """The image with 8 bits per channel, RGB or RGBA."""
        return to_image(self.pixels, self.alpha)

    @property
    def losses(self) -> list[dict[str, Any]]:
        """The losses after every step."""
        return list(self.record["losses"])

    def save(self, path: str | PathLike[str]) -> None:
        """Write the image with its run record; the extension of `path` determines the format."""
        config = self.record["config"]
        write_image(
            path,
            self.pixels,
            alpha=self.alpha,
            bit_depth=config["bit_depth"],
            quality=config["quality"],
            record=record_for_embedding(self.record),
        )


class RunFailedError(StyleTransferError):
    """A run failed after its first step. The message is the cause; `result` has the best image so far."""

    def __init__(self, cause: Exception, result: Result) -> None:
        expected = isinstance(cause, StyleTransferError)
        super().__init__(str(cause) if expected else f"unexpected {type(cause).__name__}: {first_line(cause)}")
        self.result = result


class RunInterrupted(KeyboardInterrupt):
    """A run was interrupted in the middle of a step after its first one; `result` has the best image so far."""

    def __init__(self, result: Result) -> None:
        super().__init__()
        self.result = result
