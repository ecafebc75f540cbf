"""Style transfer by optimisation of the pixels: the method of Gatys, Ecker and Bethge (arXiv 1508.06576).

This module does not import PyTorch. The default backend does, when it is created.
"""

import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from core.arrays import Array, Pixels, Size, size_of
from core.artifacts.lookup import with_artifacts
from core.backends.base import Backend, default_backend
from core.config.options import shown
from core.config.style_losses import style_loss_spec
from core.config.transfer_config import TransferConfig
from core.distributed import SINGLE_PROCESS, ProcessGroup
from core.errors import NonEssential, UsageError
from core.image.compositing import without_white
from core.image.reading import ImageSource, LoadedImage, read_image
from core.image.resize import resize
from core.memory.out_of_memory import convert_out_of_memory_errors
from core.memory.plan import Plan
from core.memory.reading import reading_memory
from core.multiscale.initial_image import finer_initial_image, initial_image
from core.multiscale.parametrization import Parametrization
from core.multiscale.preparation import normalize_strength, prepare
from core.multiscale.schedule import Scale, build_schedule, fraction_done
from core.painter_runner import PainterRunner
from core.runs.checkpoint import Checkpoint, SavedRun
from core.runs.progress import Callback, Progress, Result, RunFailedError, RunInterrupted, ScaleProgress
from core.runs.record import describe_files, describe_inputs, make_record
from core.styles import Style, StyleExemplar, StyleSource, as_styles, read_style, style_names

if TYPE_CHECKING:
    from core.optim.types import Step


@convert_out_of_memory_errors()
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
    """Render `content` in the style of `style`.

    Args:
        content: The content image: a path, a PIL image, or an array (H, W[, C]), uint8, uint16 or float in [0, 1].
        style: The style image, of any size and aspect ratio; or a `Style`, or several of them.
        config: All other options.
        callback: Called with the progress after every step; if it returns True, the run ends early.
        backend: Evaluates the objective; by default PyTorch, or the artifact that `config` names, which may be a whole
            painter. Where PyTorch is not installed, the default is the artifacts of `core.artifacts.lookup`.
        checkpoint: Where the state of the run is saved. If it holds the state of the same run, that run is resumed. The
            file remains: remove it when the result is saved.
        group: The ranks that share the run, each with the same call. The run ends early if the callback of any rank
            returns True. The main process (rank 0) writes the checkpoint, and all ranks read it.

    Raises:
        UsageError: An image or an option is invalid, or the checkpoint belongs to another run.
        StyleTransferError: The network weights cannot be downloaded, PyTorch and an artifact are missing, the device is
            missing, or memory is exhausted.
        RunFailedError: There was an error of any kind after the first step. It holds the best image so far.
        RunInterrupted: `KeyboardInterrupt` was raised after the first step. It holds the best image so far.
    """
    for name, value, expected in (("config", config, TransferConfig), ("checkpoint", checkpoint, Checkpoint)):
        if not isinstance(value, expected | None):
            raise UsageError(f"{name} is {shown(value)}: expected a {expected.__name__}")
    config = config or TransferConfig()
    config = config if backend else with_artifacts(config)
    styles = as_styles(style)
    content_image, exemplars, schedule = _read_images(content, styles, config)
    if config.painter and not backend:
        runner: Runner = PainterRunner(config, checkpoint, group)
    else:
        runner = BackendRunner(backend or default_backend(config, group), config, schedule)

    inputs = describe_inputs(content, content_image.pixels, styles, exemplars) | describe_files(config)
    saved = checkpoint.open(config, {**inputs, "backend": runner.describe()}, len(schedule)) if checkpoint else None
    group.check_same_start(saved.evaluations if saved else 0)

    started, losses, stopped = _start_time(saved), saved.losses if saved else [], False
    progress: Progress | None = None
    failure: Exception | KeyboardInterrupt | None = None
    saving_checkpoint = NonEssential("the checkpoint")
    try:
        with convert_out_of_memory_errors():
            for progress in runner.steps(content_image, exemplars, schedule, saved, resumable=bool(checkpoint)):
                losses.append(progress.losses())
                stopped = group.any_rank(bool(callback and callback(progress)))
                if checkpoint and group.is_main and isinstance(progress, ScaleProgress):
                    with saving_checkpoint:
                        checkpoint.save(progress, losses, now=stopped)
                if stopped:
                    break
            assert progress is not None, "every scale has at least one step"
            delivered = progress.delivered_loss(config.bit_depth)
    except (Exception, KeyboardInterrupt) as error:
        if progress is None:
            raise
        failure, stopped, delivered = error, True, {"loss": progress.loss, **progress.parts}
        _release_frames(error)

    record = make_record(
        config,
        inputs=inputs,
        backend=runner.describe(),
        schedule=schedule,
        losses=losses,
        delivered=delivered,
        stopped=stopped,
        seconds=time.perf_counter() - started,
    )
    result = Result(*_final_image(progress, content_image.alpha, schedule[-1].size), record)
    if isinstance(failure, KeyboardInterrupt):
        raise RunInterrupted(result) from failure
    if failure:
        raise RunFailedError(failure, result) from failure
    return result


class Runner(Protocol):
    """What makes the steps of a run."""

    def describe(self) -> Mapping[str, Any]:
        """Return what the record says of it (see `core.backends.base.Backend.describe`)."""
        ...

    def steps(
        self,
        content: LoadedImage,
        exemplars: Sequence[StyleExemplar],
        schedule: Sequence[Scale],
        saved: SavedRun | None,
        *,
        resumable: bool,
    ) -> Iterator[Progress]:
        """Yield the progress after every step; the arguments are those of `run_scales`."""
        ...


class BackendRunner:
    """Makes the steps in this program, with the objective of a backend."""

    def __init__(self, backend: Backend, config: TransferConfig, schedule: Sequence[Scale]) -> None:
        self._backend, self._config = backend, config
        self._plans = [backend.plan(*scale.network_sizes) for scale in schedule]

    def describe(self) -> Mapping[str, Any]:
        """Return the description of the backend."""
        return self._backend.describe()

    def steps(
        self,
        content: LoadedImage,
        exemplars: Sequence[StyleExemplar],
        schedule: Sequence[Scale],
        saved: SavedRun | None,
        *,
        resumable: bool,
    ) -> Iterator[Progress]:
        """Yield the steps of all scales."""
        return run_scales(
            content.pixels, exemplars, schedule, self._plans, self._backend, self._config,
            alpha=content.alpha, saved=saved, resumable=resumable,
        )  # fmt: skip


def run_scales(
    content: Pixels,
    exemplars: Sequence[StyleExemplar],
    schedule: Sequence[Scale],
    plans: Sequence[Plan],
    backend: Backend,
    config: TransferConfig,
    *,
    alpha: Pixels | None = None,
    saved: SavedRun | None = None,
    resumable: bool = False,
) -> Iterator[ScaleProgress]:
    """Optimise scale by scale, each starting from the result of the previous one, and yield every step.

    If the optimiser converges before a scale has used its evaluations, the next scale gets the rest.

    Args:
        content: The content image (1, 3, H, W), RGB in [0, 1].
        exemplars: The styles at their own sizes.
        schedule: The scales, coarse to fine.
        plans: The memory plan of each scale.
        backend: Evaluates the objective.
        config: All other options.
        alpha: The alpha channel of the content image (1, 1, H, W) in [0, 1], for the progress.
        saved: The state of an earlier run to continue from; its last step is yielded first.
        resumable: Whether the steps must contain the state of the optimiser, for a checkpoint. This excludes the
            optimiser without host synchronisation on CUDA.
    """
    started, used, planned = _start_time(saved), 0, 0
    targets_need_initial = style_loss_spec(config.style_loss).position_targets
    result: Pixels | None = None
    for number, (scale, plan) in enumerate(zip(schedule, plans, strict=True), start=1):
        planned += scale.evaluations
        if saved and number < saved.scale:
            continue
        to_array = partial(backend.to_array, plan=plan)
        parametrization, scaled_exemplars = prepare(content, exemplars, scale, config)
        start: Array | Step
        initial: Pixels | None
        if saved and number == saved.scale:
            used = saved.evaluations_before
            initial = saved.read_initial(parametrization.shape) if targets_need_initial else None
            start = saved.read_step(parametrization.shape).converted(to_array)
        else:
            initial_pixels = initial_image(parametrization.content, scaled_exemplars, config)
            if result is not None:
                initial_pixels = finer_initial_image(parametrization.to_compared(result), initial_pixels, config)
            initial = parametrization.to_parameters(initial_pixels)
            start = to_array(initial)
            initial = initial if targets_need_initial else None
        image = None if initial is None else parametrization.to_network_input(parametrization.to_image(initial))
        network_content = parametrization.to_network_input(parametrization.content_image)
        network_exemplars = [parametrization.exemplar_to_network_input(one) for one in scaled_exemplars]
        objective = backend.objective(network_content, network_exemplars, plan, image=image)
        objective = normalize_strength(objective, parametrization, scaled_exemplars, to_array, scale, config)
        steps = backend.minimize(
            objective,
            partial(parametrization.compose_with, to_array=to_array),
            start,
            evaluations=planned - used,
            plan=plan,
            resumable=resumable or saved is not None,
        )
        del start  # it may hold many arrays, which the optimiser releases one by one
        for step in steps:
            progress = ScaleProgress(
                scale=number,
                scales=len(schedule),
                size=scale.size,
                evaluations=used + step.evaluations,
                total_evaluations=config.iterations,
                loss=step.loss,
                parts=step.parts,
                seconds=time.perf_counter() - started,
                fraction=fraction_done(schedule, used + step.evaluations),
                resumed=saved is not None and used + step.evaluations == saved.evaluations,
                _get_pixels=partial(_pixels_of, step, parametrization, backend),
                _step=step,
                _initial=initial,
                _objective=objective,
                _parametrization=parametrization,
                _to_array=to_array,
                _to_pixels=backend.to_pixels,
                _content_alpha=alpha,
            )
            yield progress
        used, result = progress.evaluations, progress.pixels


def _read_images(
    content: ImageSource, styles: Sequence[Style], config: TransferConfig
) -> tuple[LoadedImage, list[StyleExemplar], tuple[Scale, ...]]:
    """Return the content image and the styles at their own sizes, and the scales of the run."""
    memory = reading_memory(config)
    content_image = read_image(content, name="content", memory=memory)
    exemplars = [read_style(one, memory) for one in styles]
    style_sizes = [size_of(pixels) for exemplar in exemplars for pixels in exemplar.images]
    return content_image, exemplars, build_schedule(content_image.size, style_sizes, config, style_names(styles))


def _final_image(progress: Progress, alpha: Pixels | None, size: Size) -> tuple[Pixels, Pixels | None]:
    """Return the colours and the alpha channel of the best image at the final size."""
    pixels = resize(progress.pixels, size)
    if alpha is None:
        return pixels, None
    alpha = resize(alpha, size)
    return without_white(pixels, alpha), alpha


def _pixels_of(step: "Step", parametrization: Parametrization, backend: Backend) -> Pixels:
    """Return the image (1, 3, H, W) of a step."""
    return parametrization.to_image(backend.to_pixels(step.image))


def _start_time(saved: SavedRun | None) -> float:
    """Return when the run would have started without an interruption, by `time.perf_counter`."""
    return time.perf_counter() - (saved.seconds if saved else 0.0)


def _release_frames(error: BaseException) -> None:
    """Release the tensors to which the tracebacks of an error and of the errors before it refer."""
    cause: BaseException | None = error
    while cause:
        traceback.clear_frames(cause.__traceback__)
        cause = cause.__context__
