"""Paint one picture in the style of another: the method of Gatys, Ecker and Bethge (arXiv 1508.06576).

Nothing here needs PyTorch: an engine computes the objective, and the default one imports it.
"""

import time
from collections.abc import Iterator, Sequence
from typing import Any

from core.arrays import Array, Pixels, size_of
from core.backends.base import Backend, default_backend
from core.config.transfer_config import TransferConfig
from core.distributed import SINGLE_PROCESS, ProcessGroup
from core.image.reading import ImageSource, read_image
from core.image.resize import resize
from core.memory.out_of_memory import raise_out_of_memory
from core.multiscale.initial_image import initial_image, upsample_with_detail
from core.multiscale.preparation import normalise_strength, prepare
from core.multiscale.schedule import Scale, build_schedule, fraction_done
from core.optim.adam import adam
from core.optim.lbfgs import lbfgs
from core.optim.types import Objective, Step
from core.runs.checkpoint import Checkpoint, Saved
from core.runs.progress import Callback, Progress, Result
from core.runs.record import describe_image, describe_style, make_record
from core.styles import StyleExemplar, StyleSource, as_exemplars, as_styles, read_style


@raise_out_of_memory()
def stylize(
    content: ImageSource,
    style: StyleSource,
    config: TransferConfig | None = None,
    *,
    callback: Callback | None = None,
    backend: Backend | None = None,
    checkpoint: Checkpoint | None = None,
    group: ProcessGroup = SINGLE_PROCESS,
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
    picture, exemplars = read_image(content, name="content"), [read_style(style) for style in styles]
    scales = build_schedule(
        picture.size, [size_of(pixels) for exemplar in exemplars for pixels in exemplar.images], config
    )
    backend = backend or default_backend(config, group)

    pictures: dict[str, Any] = {
        "content": describe_image(content, picture.pixels),
        "styles": [describe_style(style, exemplar) for style, exemplar in zip(styles, exemplars, strict=True)],
    }
    saved = checkpoint.open(config, {**pictures, "engine": backend.describe()}) if checkpoint else None
    group.require_same_start(saved.evaluations if saved else 0)

    started, stopped, history = _started(saved), False, saved.losses if saved else []
    for progress in paint(picture.pixels, exemplars, scales, backend, config, saved, checkpointed=bool(checkpoint)):
        history.append(progress.losses())
        stopped = group.any(bool(callback and callback(progress)))
        if checkpoint and group.first:
            checkpoint.keep(progress, history, now=stopped)
        if stopped:
            break

    record = make_record(
        config,
        **pictures,
        backend=backend.describe(),
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
    style: Pixels | Sequence[StyleExemplar],
    scales: Sequence[Scale],
    backend: Backend,
    config: TransferConfig,
    saved: Saved | None = None,
    *,
    checkpointed: bool = False,
) -> Iterator[Progress]:
    """Paint scale by scale, each from where the last one ended. Evaluations that one leaves over go to the next.

    A run that was `saved` goes on: the step where it stood comes first, once more. Only where it is `checkpointed` can
    another run go on from any of its steps; on CUDA that is slower.
    """
    styles, started, used, planned = as_exemplars(style), _started(saved), 0, 0
    pixels: Pixels | None = None
    for number, scale in enumerate(scales, start=1):
        plan = backend.plan(scale.size, scale.style_size)
        planned += scale.evaluations
        if saved and number < saved.scale:
            continue
        canvas, exemplars = prepare(content, styles, scale, config)
        objective = normalise_strength(
            backend.objective(canvas.content, exemplars), canvas, exemplars, backend.to_array, scale, config
        )
        start: Array | Step
        if saved and number == saved.scale:
            used, start = saved.used_before, saved.read_step().converted(backend.to_array)
        else:
            first = canvas.array(initial_image(canvas.content, exemplars, config))
            start = backend.to_array(first if pixels is None else upsample_with_detail(canvas.array(pixels), first))
        host_decides = checkpointed or saved is not None or config.optimizer != "lbfgs"
        deferred = None if host_decides else backend.deferred_objective(objective, scale.size)
        on_canvas = canvas.wrap(deferred or objective, backend.to_array)
        minimise = _minimise if deferred is None else _minimise_on_device
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
                fraction=fraction_done(scales, used + step.evaluations),
                resumed=saved is not None and used + step.evaluations == saved.evaluations,
                _step=step,
                _engine=backend,
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
    from core.optim import lbfgs_cuda as resident  # imports PyTorch, as the engine has done

    return resident.lbfgs(objective, start, evaluations=evaluations, history=history)
