"""Paint one picture in the style of another: the method of Gatys, Ecker and Bethge (arXiv 1508.06576).

Nothing here needs PyTorch: an engine computes the objective, and the default one imports it.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from typing import Any

import PIL.Image

from core.arrays import Array
from core.canvas import Canvas
from core.checkpoint import Checkpoint, Saved
from core.config import TransferConfig
from core.controls import balanced, prepare
from core.engine import Engine, default_engine
from core.images import PictureSource, Pixels, Size, quantise, read_picture, resize, size_of, to_image, write_picture
from core.memory import within_memory
from core.optimise import (
    Evaluation,
    Objective,
    Step,
    adam,
    lbfgs,
)
from core.pyramid import Scale, plan_scales, refine, starting_picture, work_done
from core.ranks import ALONE, Ranks
from core.record import describe_picture, describe_style, embedded, make_record
from core.styles import Manner, StyleSource, as_manners, as_styles, read_style


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
    _engine: Engine = field(repr=False)
    _objective: Objective = field(repr=False)
    _canvas: Canvas = field(repr=False)

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
        seen = self._canvas.seen(quantise(self.pixels, bit_depth))
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
        write_picture(
            path,
            self.pixels,
            alpha=self.alpha,
            bit_depth=config["bit_depth"],
            quality=config["quality"],
            record=embedded(self.record),
        )


@within_memory()
def stylize(
    content: PictureSource,
    style: StyleSource,
    config: TransferConfig | None = None,
    *,
    callback: Callback | None = None,
    engine: Engine | None = None,
    checkpoint: Checkpoint | None = None,
    ranks: Ranks = ALONE,
) -> Result:
    """Paint `content` in the style of `style`.

    Args:
        content: The photograph: a path, a PIL image, or an array (H, W[, C]), uint8, uint16 or float in [0, 1].
        style: The picture whose manner it is painted in, of any size and aspect; or a `Style`, or several of them.
        config: Every other choice; the defaults where it is left out.
        callback: Called with the progress after every step; returning True ends the run early.
        engine: What computes the objective; where it is left out, PyTorch, or the artifact that `config` names.
        checkpoint: Where the run is kept as it goes on; if it holds this very run, that goes on from there. Its file
            stays: remove it once the painting is saved.
        ranks: The processes that paint it together, each by this same call. The run ends early where the callback of
            one of them says so; the first one keeps the checkpoint, and all of them go on from it.

    Raises:
        UsageError: A picture or an option cannot work, or the checkpoint is of another run.
        StyleTransferError: The weights are out of reach, the device is missing, the memory does not suffice.
    """
    config = config or TransferConfig()
    styles = as_styles(style)
    picture, manners = read_picture(content, name="content"), [read_style(style) for style in styles]
    scales = plan_scales(picture.size, [size_of(pixels) for manner in manners for pixels in manner.pictures], config)
    engine = engine or default_engine(config, ranks)

    pictures: dict[str, Any] = {
        "content": describe_picture(content, picture.pixels),
        "styles": [describe_style(style, manner) for style, manner in zip(styles, manners, strict=True)],
    }
    saved = checkpoint.open(config, {**pictures, "engine": engine.describe()}) if checkpoint else None
    ranks.require_same_start(saved.evaluations if saved else 0)

    started, stopped, history = _started(saved), False, saved.losses if saved else []
    for progress in paint(picture.pixels, manners, scales, engine, config, saved, checkpointed=bool(checkpoint)):
        history.append(progress.losses())
        stopped = ranks.any(bool(callback and callback(progress)))
        if checkpoint and ranks.first:
            checkpoint.keep(progress, history, now=stopped)
        if stopped:
            break

    record = make_record(
        config,
        **pictures,
        engine=engine.describe(),
        scales=scales,
        losses=history,
        delivered=progress.delivered(config.bit_depth),
        stopped=stopped,
        seconds=time.perf_counter() - started,
    )
    alpha = None if picture.alpha is None else resize(picture.alpha, scales[-1].size)
    return Result(resize(progress.pixels, scales[-1].size), alpha, record)


def paint(
    content: Pixels,
    style: Pixels | Sequence[Manner],
    scales: Sequence[Scale],
    engine: Engine,
    config: TransferConfig,
    saved: Saved | None = None,
    *,
    checkpointed: bool = False,
) -> Iterator[Progress]:
    """Paint scale by scale, each from where the last one ended. Evaluations that one leaves over go to the next.

    A run that was `saved` goes on: the step where it stood comes first, once more. Only where it is `checkpointed` can
    another run go on from any of its steps; on CUDA that is slower.
    """
    styles, started, used, planned = as_manners(style), _started(saved), 0, 0
    pixels: Pixels | None = None
    for number, scale in enumerate(scales, start=1):
        plan = engine.plan(scale.size, scale.style_size)
        planned += scale.evaluations
        if saved and number < saved.scale:
            continue
        canvas, manners = prepare(content, styles, scale, config)
        objective = balanced(engine.objective(canvas.content, manners), canvas, manners, engine.to_array, scale, config)
        start: Array | Step
        if saved and number == saved.scale:
            used, start = saved.used_before, saved.read_step().converted(engine.to_array)
        else:
            first = canvas.array(starting_picture(canvas.content, manners, config))
            start = engine.to_array(first if pixels is None else refine(canvas.array(pixels), first))
        host_decides = checkpointed or saved is not None or config.optimizer != "lbfgs"
        unread = None if host_decides else engine.left_on_device(objective, scale.size)
        on_canvas = canvas.wrap(unread or objective, engine.to_array)
        minimise = _minimise if unread is None else _minimise_on_device
        steps = minimise(on_canvas, start, planned - used, config, plan.history)
        del start  # it may hold many pictures, which the optimiser forgets one by one
        for step in steps:
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
                resumed=saved is not None and used + step.evaluations == saved.evaluations,
                _step=step,
                _engine=engine,
                _objective=objective,
                _canvas=canvas,
            )
            yield progress
        used, pixels = progress.evaluations, progress.pixels


def _started(saved: Saved | None) -> float:
    """When the run would have started, had it not been interrupted, by `time.perf_counter`."""
    return time.perf_counter() - (saved.seconds if saved else 0.0)


def _minimise(
    objective: Objective, start: Array | Step, evaluations: int, config: TransferConfig, history: int
) -> Iterator[Step]:
    if config.optimizer == "lbfgs":
        return lbfgs(objective, start, evaluations=evaluations, history=history)
    return adam(
        objective,
        start,
        evaluations=evaluations,
        learning_rate=config.learning_rate,
        averaging=config.averaging,
    )


def _minimise_on_device(
    objective: Objective, start: Array, evaluations: int, config: TransferConfig, history: int
) -> Iterator[Step]:
    from core import resident  # imports PyTorch, as the engine has done

    return resident.lbfgs(objective, start, evaluations=evaluations, history=history)
