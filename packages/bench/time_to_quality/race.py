"""The race: when a picture is as good as the finished pictures of other configurations, each with its own objective.

A loss cannot compare runs with different loss weights. Two measures of the picture can: content structure, and style,
both in a network that no run optimises (`bench.quality.measures`).
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL import Image

from bench.machine import describe_machine
from bench.quality.efficientnet import load_efficientnet
from bench.quality.grid import Pair
from bench.quality.measures import Reference
from bench.quality.programs import DEFAULT, Configuration, check_names, read_configurations
from bench.quality.sheets import write_contact_sheets
from bench.results import ConfigurationResult, RacePoint, RaceRun, TimeToMatch, load, save
from bench.time_to_quality.timed_run import OnPoint, TimedRun, make_timer, run_interleaved
from bench.time_to_quality.toolkit import prepare_run
from core.arrays import Pixels, size_of
from core.backends.device import choose_device
from core.config.transfer_config import TransferConfig
from core.errors import UsageError
from core.files import check_writable, is_file
from core.image.reading import read_image
from core.image.resize import resize
from core.image.writing import quantize, to_image

RESULTS = "race.json"
RIVALS = ("johnson", "crowson")
"""Presets with the settings of the best known programs, each at its full length."""

POINTS, RIVAL_POINTS = 60, 10
"""Approximate number of measured pictures of a run. The first configuration has more, to locate the time when it is as
good as a rival; of the rivals only the last picture counts."""


def run_race(
    content: Path,
    style: Path,
    folder: Path,
    *,
    config: str = DEFAULT,
    rivals: Sequence[str] = (),
    size: int = 512,
    on_point: OnPoint[RacePoint] = lambda name, point: None,
) -> RaceRun:
    """Run a configuration and its rivals interleaved, and write race.json and a sheet of the pictures into `folder`.

    The sheet shows the finished pictures, and for each rival the first picture of the configuration that is as good.

    Args:
        content: Content image.
        style: Style image.
        folder: Folder of the results. The sheet in it has the name of the content image.
        config: The configuration, see `bench.quality.programs.read_configurations`.
        rivals: The configurations that it races against, likewise; `RIVALS` if there are none.
        size: Long side of the pictures, in pixels.
        on_point: Called with the name of a configuration and each measured picture.

    Raises:
        UsageError: An image, an option or the folder is invalid.
        StyleTransferError: A run failed, or a package is not installed.
    """
    rivals = rivals or [name for name in RIVALS if name != config]
    pair, configurations = Pair(content, style), read_configurations([config, *rivals], size)
    check_names(configurations)
    _check_options(configurations)
    files = [Path(value) for value in (config, *rivals) if is_file(value)]
    _check_folder(folder, content, [content, style, *files])
    contents = quantize(resize(read_image(content, name="content").pixels, pair.fitted_sizes(size)[0]))
    styles = quantize(read_image(style, name="style").pixels)
    reference = Reference.of(load_efficientnet(), contents, resize(styles, pair.fitted_sizes(size)[1]))

    counts = [POINTS, *(RIVAL_POINTS for _ in rivals)]
    runs = {
        one.name: _Run(one, contents, styles, reference, count)
        for one, count in zip(configurations, counts, strict=True)
    }
    _warm_up(configurations[0].config)
    run_interleaved([run.timed for run in runs.values()], on_point)

    racers = tuple(
        ConfigurationResult(name=name, config=run.configuration.config.to_dict(), points=tuple(run.timed.points))
        for name, run in runs.items()
    )
    first, *others = racers
    result = RaceRun(
        kind="race",
        date=datetime.now(UTC).replace(microsecond=0),
        machine=describe_machine(),
        content=content.name,
        style=style.name,
        size=size_of(contents),
        racers=racers,
        leads=tuple(time_to_match(first.points, rival.name, rival.points) for rival in others),
    )
    _write_sheet(folder, pair, runs, result)
    save(result, folder / RESULTS)
    return result


def time_to_match(points: Sequence[RacePoint], rival: str, rival_points: Sequence[RacePoint]) -> TimeToMatch:
    """Compare the time of a rival's whole run with that of the first point that is as good as its end."""
    end = rival_points[-1]
    good = [point for point in points if _is_as_good(point, end)]
    seconds = good[0].seconds if good else None
    return TimeToMatch(rival=rival, rival_seconds=end.seconds, seconds=seconds, ratio=seconds and end.seconds / seconds)


class _Run:
    """One configuration on its way; keeps its measured pictures by their times."""

    def __init__(
        self, configuration: Configuration, content: Pixels, style: Pixels, reference: Reference, points: int
    ) -> None:
        """Prepare a run of which about `points` pictures are measured."""
        self.configuration = configuration
        self.pictures: dict[float, Image.Image] = {}
        self._reference = reference
        config = configuration.config
        self.timed = TimedRun(
            configuration.name,
            prepare_run(content, style, config),
            interval=max(1, config.iterations // points),
            evaluate=self._evaluate,
            clock=make_timer(choose_device(config.device).type),
        )

    def _evaluate(self, evaluations: int, seconds: float, image: Pixels) -> RacePoint:
        self.pictures[seconds] = to_image(image)
        return RacePoint(evaluations, seconds, self._reference.measure(image))


def _is_as_good(point: RacePoint, end: RacePoint) -> bool:
    found, wanted = point.measures, end.measures
    return found.structure <= wanted.structure and found.style <= wanted.style


def _check_options(configurations: Sequence[Configuration]) -> None:
    """Raise UsageError for options with which `core.transfer` would do something else than a race."""
    for one in configurations:
        if one.config.painter:
            raise UsageError(f"{one.name} has --painter {one.config.painter}: race without this option")


def _check_folder(folder: Path, content: Path, inputs: Sequence[Path]) -> None:
    """Check that no file is overwritten but those of an earlier race with this content image."""
    sheet = folder / f"{content.stem}.png"
    for path in (folder / RESULTS, sheet):
        check_writable(path, inputs=inputs)
    if (folder / RESULTS).exists():
        earlier = load(folder / RESULTS)
        if not isinstance(earlier, RaceRun) or earlier.content != content.name:
            raise UsageError(f"{folder / RESULTS} is not of a race with {content.name}: choose another folder")
    elif sheet.exists():
        raise UsageError(f"refusing to overwrite {sheet}, which belongs to no race: choose another folder")


def _warm_up(config: TransferConfig) -> None:
    """Evaluate a small image once, so that the initialisation of the device is not timed."""
    grey = np.full((1, 3, 64, 64), 0.5, np.float32)
    next(prepare_run(grey, grey, config.with_options(image_size=64, scales=1)))


def _write_sheet(folder: Path, pair: Pair, runs: Mapping[str, _Run], result: RaceRun) -> None:
    first, pictures = result.racers[0].name, dict[str, Image.Image]()
    for name, run in runs.items():
        pictures[name] = run.pictures[run.timed.points[-1].seconds]
    for one in result.leads:
        if one.seconds is not None:
            pictures[f"{first}, as good as {one.rival}: {one.seconds:.3g} s"] = runs[first].pictures[one.seconds]
    write_contact_sheets(folder, [pair], list(pictures), lambda name, _: pictures[name])
