"""Style transfer by optimisation of the pixels: the method of Gatys, Ecker and Bethge (arXiv 1508.06576).

This module does not import PyTorch. The default backend does, when it is created.
"""

import time
from collections.abc import Generator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from core.arrays import Array, Pixels, Size, size_of
from core.artifacts.lookup import with_artifacts
from core.backends.base import Backend, default_backend
from core.config.options import shown
from core.config.style_losses import style_loss_spec
from core.config.transfer_config import TransferConfig
from core.distributed import SINGLE_PROCESS, ProcessGroup
from core.errors import UsageError
from core.image.compositing import without_white
from core.image.reading import ImageSource, LoadedImage, describe_source, read_image
from core.image.resize import resize
from core.memory.out_of_memory import convert_out_of_memory_errors
from core.memory.plan import Plan
from core.memory.reading import reading_memory
from core.multiscale.initial_image import finer_initial_image, initial_image
from core.multiscale.parametrization import Parametrization
from core.multiscale.preparation import normalize_strength, prepare
from core.multiscale.problem import ScaleProblem
from core.multiscale.schedule import Scale, build_schedule
from core.painter_runner import PainterRunner
from core.runs.checkpoint import Checkpoint, SavedRun
from core.runs.outcome import take_steps
from core.runs.progress import Callback, Progress, Result, ScaleProgress, ScaleReporter
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
        StyleTransferError: The network weights cannot be downloaded, neither PyTorch nor the artifacts are installed,
            the device is missing, or memory is exhausted.
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
        runner: PainterRunner | BackendRunner = PainterRunner(config, schedule, checkpoint, group)
    else:
        runner = BackendRunner(config, schedule, backend or default_backend(config, group))

    inputs = describe_inputs(content, content_image.pixels, styles, exemplars) | describe_files(config)
    saved = checkpoint.open(config, {**inputs, "backend": runner.describe()}, len(schedule)) if checkpoint else None
    group.check_same_start(saved.evaluations if saved else 0)

    started, losses = _start_time(saved), saved.losses if saved else []
    outcome = take_steps(
        runner.steps(content_image, exemplars, saved, resumable=bool(checkpoint)),
        losses,
        config.bit_depth,
        callback=callback,
        checkpoint=checkpoint,
        group=group,
    )
    record = make_record(
        config,
        inputs=inputs,
        backend=runner.describe(),
        schedule=schedule,
        losses=losses,
        delivered=outcome.delivered,
        stopped=outcome.stopped,
        seconds=time.perf_counter() - started,
    )
    image = _final_image(outcome.progress, content_image.alpha, schedule[-1].size)
    return outcome.result_or_raise(Result(*image, record))


class BackendRunner:
    """Makes the steps of a run in this program, scale by scale, with the objective of a backend."""

    def __init__(self, config: TransferConfig, schedule: Sequence[Scale], backend: Backend) -> None:
        """Plan the memory of every scale.

        Raises:
            StyleTransferError: The available memory is too small.
        """
        self._config, self._schedule, self._backend = config, schedule, backend
        self._plans = [backend.plan(*scale.network_sizes) for scale in schedule]

    def describe(self) -> Mapping[str, Any]:
        """Return the description of the backend for the run record."""
        return self._backend.describe()

    def steps(
        self,
        content: LoadedImage,
        exemplars: Sequence[StyleExemplar],
        saved: SavedRun | None = None,
        *,
        resumable: bool = False,
    ) -> Generator[ScaleProgress]:
        """Optimise scale by scale, each starting from the result of the previous one, and yield every step.

        If the optimiser converges before a scale has used its evaluations, the next scale gets the rest.

        Args:
            content: The content image.
            exemplars: The styles at their own sizes.
            saved: The state of an earlier run to continue from; its last step is yielded first.
            resumable: Whether the steps must contain the state of the optimiser, for a checkpoint. This excludes the
                optimiser without host synchronisation on CUDA.
        """
        resumed_at = saved.evaluations if saved else None
        reporter = ScaleReporter(self._schedule, self._config.iterations, _start_time(saved), resumed_at, content.alpha)
        first, used = (saved.scale, saved.evaluations_before) if saved else (1, 0)
        planned = 0
        result: Pixels | None = None
        for number, (scale, plan) in enumerate(zip(self._schedule, self._plans, strict=True), start=1):
            planned += scale.evaluations
            if number < first:
                continue
            parametrization, styles = prepare(content.pixels, exemplars, scale, self._config)
            resumed = saved if number == first else None
            initial, start = self._starting_point(resumed, result, scale, parametrization, styles, plan)
            problem = self._problem(scale, parametrization, styles, initial, plan)
            steps = self._backend.minimize(
                problem.objective,
                problem.compose,
                start,
                evaluations=planned - used,
                plan=plan,
                resumable=resumable or saved is not None,
            )
            del start  # it may hold many arrays, which the optimiser releases one by one
            for step in steps:
                progress = reporter.progress(step, problem, number, used)
                yield progress
            used, result = progress.evaluations, progress.pixels

    def _starting_point(
        self,
        saved: SavedRun | None,
        earlier: Pixels | None,
        scale: Scale,
        parametrization: Parametrization,
        styles: Sequence[StyleExemplar],
        plan: Plan,
    ) -> "tuple[Pixels | None, Array | Step]":
        """Return the initial parameters of a scale, and where its optimiser starts: there, or at the saved step.

        The initial parameters are those of the initial image or, after the first scale, of the result `earlier` of the
        scale before. They are None if the targets of the style loss do not depend on them.
        """
        needed = style_loss_spec(self._config.style_loss).position_targets
        to_array = partial(self._backend.to_array, plan=plan)
        if saved:
            shape = parametrization.shape
            initial = saved.read_initial(shape) if needed else None
            return initial, saved.read_step(shape).converted(to_array)
        if earlier is not None and scale.final_pass:
            image = parametrization.to_compared(earlier)
        else:
            image = initial_image(parametrization.content, styles, self._config)
            if earlier is not None:
                image = finer_initial_image(parametrization.to_compared(earlier), image, self._config)
        parameters = parametrization.to_parameters(image)
        return parameters if needed else None, to_array(parameters)

    def _problem(
        self,
        scale: Scale,
        parametrization: Parametrization,
        styles: Sequence[StyleExemplar],
        initial: Pixels | None,
        plan: Plan,
    ) -> ScaleProblem:
        """Compute the targets and the loss weights of a scale."""
        to_array = partial(self._backend.to_array, plan=plan)
        objective = self._backend.objective(
            parametrization.to_network_input(parametrization.content_image),
            [parametrization.exemplar_to_network_input(style) for style in styles],
            plan,
            image=None if initial is None else parametrization.to_network_input(parametrization.to_image(initial)),
            separate_layers=scale.final_pass,
        )
        weighted = normalize_strength(objective, parametrization, styles, to_array, scale, self._config)
        return ScaleProblem(scale, parametrization, weighted, initial, to_array, self._backend.to_pixels)


def _read_images(
    content: ImageSource, styles: Sequence[Style], config: TransferConfig
) -> tuple[LoadedImage, list[StyleExemplar], tuple[Scale, ...]]:
    """Return the content image and the styles at their own sizes, and the scales of the run."""
    memory = reading_memory(config)
    content_image = read_image(content, name="content", memory=memory)
    exemplars = [read_style(one, memory) for one in styles]
    style_sizes = [size_of(pixels) for exemplar in exemplars for pixels in exemplar.images]
    content_name = describe_source(content, "content")
    schedule = build_schedule(content_image.size, style_sizes, config, style_names(styles), content_name=content_name)
    return content_image, exemplars, schedule


def _final_image(progress: Progress, alpha: Pixels | None, size: Size) -> tuple[Pixels, Pixels | None]:
    """Return the best image at the final size or, if memory does not suffice for that, at the size of its scale."""
    try:
        return _colors_and_alpha(progress.pixels, alpha, size)
    except MemoryError:
        return _colors_and_alpha(progress.pixels, alpha, progress.size)


def _colors_and_alpha(pixels: Pixels, alpha: Pixels | None, size: Size) -> tuple[Pixels, Pixels | None]:
    """Return the colours and the alpha channel of an image over white at a size."""
    pixels = resize(pixels, size)
    if alpha is None:
        return pixels, None
    alpha = resize(alpha, size)
    return without_white(pixels, alpha), alpha


def _start_time(saved: SavedRun | None) -> float:
    """Return when the run would have started without an interruption, by `time.perf_counter`."""
    return time.perf_counter() - (saved.seconds if saved else 0.0)
