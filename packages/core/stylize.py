"""Paint one picture in the style of another: the method of Gatys, Ecker and Bethge (arXiv 1508.06576).

Nothing here needs PyTorch: an engine computes the objective, and the default one imports it.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from typing import Any, Protocol

import PIL.Image

from core.config import TransferConfig
from core.images import PictureSource, Pixels, Size, quantise, read_picture, resize, to_image, write_picture
from core.optimise import Array, Evaluation, Objective, Step, adam, lbfgs
from core.pyramid import Scale, plan_scales, refine, starting_picture, work_done
from core.record import describe_picture, embedded, make_record


class Engine(Protocol):
    """A way of computing the objective: PyTorch, or ONNX Runtime without it."""

    def objective(self, content: Pixels, style: Pixels, *, content_emphasis: float = 1.0) -> Objective:
        """The objective for these two pictures, (1, 3, H, W) RGB in [0, 1], its targets computed.

        `content_emphasis` multiplies the weights of the content.
        """
        ...

    def to_array(self, pixels: Pixels) -> Array:
        """A picture as the objective takes it."""
        ...

    def to_pixels(self, array: Array) -> Pixels:
        """The way back."""
        ...

    def describe(self) -> Mapping[str, Any]:
        """What a record says of the engine: its name, device, versions, weights."""
        ...


@dataclass(frozen=True)
class Progress:
    """Where a run stands after a step, with the best picture of this scale so far.

    `fraction` is the share of the whole work done, by pixels and evaluations, in (0, 1].
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
    _array: Array = field(repr=False)
    _engine: Engine = field(repr=False)
    _objective: Objective = field(repr=False)

    @cached_property
    def pixels(self) -> Pixels:
        """The picture so far, (1, 3, H, W) RGB in [0, 1], at the size of this scale."""
        return self._engine.to_pixels(self._array)

    @cached_property
    def image(self) -> PIL.Image.Image:
        """The picture so far, with 8 bits a channel."""
        return to_image(self.pixels)

    def delivered(self, bit_depth: int) -> Evaluation:
        """The objective at the picture as a file of that depth holds it."""
        return self._objective(self._engine.to_array(quantise(self.pixels, bit_depth)))

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
        write_picture(
            path,
            self.pixels,
            alpha=self.alpha,
            bit_depth=config["bit_depth"],
            quality=config["quality"],
            record=embedded(self.record),
        )


def stylize(
    content: PictureSource,
    style: PictureSource,
    config: TransferConfig | None = None,
    *,
    callback: Callback | None = None,
    engine: Engine | None = None,
) -> Result:
    """Paint `content` in the style of `style`.

    Args:
        content: The photograph: a path, a PIL image, or an array (H, W[, C]), uint8, uint16 or float in [0, 1].
        style: The picture whose manner it is painted in; any size and aspect.
        config: Every other choice; the defaults where it is left out.
        callback: Called with the progress after every step; returning True ends the run early.
        engine: What computes the objective; where it is left out, PyTorch, or the artifact that `config` names.

    Raises:
        UsageError: A picture or an option cannot work.
        StyleTransferError: The weights are out of reach, the device is missing or too small.
    """
    config = config or TransferConfig()
    content_picture, style_picture = read_picture(content, name="content"), read_picture(style, name="style")
    scales = plan_scales(content_picture.size, style_picture.size, config)
    engine = engine or default_engine(config)

    started, stopped, history = time.perf_counter(), False, []
    for progress in paint(content_picture.pixels, style_picture.pixels, scales, engine, config):
        history.append(progress.losses())
        if callback and callback(progress):
            stopped = True
            break

    record = make_record(
        config,
        content=describe_picture(content, content_picture),
        style=describe_picture(style, style_picture),
        engine=engine.describe(),
        scales=scales,
        losses=history,
        delivered=progress.delivered(config.bit_depth),
        stopped=stopped,
        seconds=time.perf_counter() - started,
    )
    alpha = None if content_picture.alpha is None else resize(content_picture.alpha, scales[-1].size)
    return Result(resize(progress.pixels, scales[-1].size), alpha, record)


def paint(
    content: Pixels, style: Pixels, scales: Sequence[Scale], engine: Engine, config: TransferConfig
) -> Iterator[Progress]:
    """Paint scale by scale, each from where the last one ended. Evaluations that one leaves over go to the next."""
    started, used, planned = time.perf_counter(), 0, 0
    pixels: Pixels | None = None
    for number, scale in enumerate(scales, start=1):
        content_here, style_here = resize(content, scale.size), resize(style, scale.style_size)
        objective = engine.objective(content_here, style_here, content_emphasis=scale.content_emphasis)
        start = starting_picture(content_here, style_here, config)
        start = start if pixels is None else refine(pixels, start)
        planned += scale.evaluations
        for step in _minimise(objective, engine.to_array(start), planned - used, config):
            progress = Progress(
                scale=number,
                scales=len(scales),
                size=scale.size,
                evaluations=used + step.evaluations,
                total_evaluations=config.iterations,
                loss=step.loss,
                parts=step.parts,
                seconds=time.perf_counter() - started,
                fraction=work_done(scales, used + step.evaluations),
                _array=step.image,
                _engine=engine,
                _objective=objective,
            )
            yield progress
        used, pixels = progress.evaluations, progress.pixels


def default_engine(config: TransferConfig) -> Engine:
    """PyTorch, or an exported objective; PyTorch takes seconds to import, so only where it is needed."""
    if config.objective is None:
        from core.engine import TorchEngine

        return TorchEngine(config)
    from core.onnx_engine import OnnxEngine, features_for

    return OnnxEngine(config.objective, features_for(config), config)


def _minimise(objective: Objective, start: Array, evaluations: int, config: TransferConfig) -> Iterator[Step]:
    if config.optimizer == "lbfgs":
        return lbfgs(objective, start, evaluations=evaluations, history=config.history)
    return adam(
        objective,
        start,
        evaluations=evaluations,
        learning_rate=config.learning_rate,
        averaging=config.averaging,
    )
