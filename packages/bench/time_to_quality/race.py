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
from bench.quality.programs import DEFAULT
from bench.quality.sheets import write_contact_sheets
from bench.results import ConfigurationResult, RacePoint, RaceRun, TimeToMatch, load, save
from bench.time_to_quality.racers import RIVALS, Racer, read_racers
from bench.time_to_quality.timed_run import OnPoint, TimedRun, make_timer, run_interleaved
from core.arrays import Pixels, size_of
from core.backends.device import choose_device
from core.errors import UsageError
from core.files import check_writable, is_file
from core.image.reading import read_image
from core.image.resize import resize
from core.image.writing import quantize, to_image, write_image

RESULTS = "race.json"
PICTURES = "pictures"
"""Folder of the finished pictures, NAME.png."""

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
    """Run a configuration and its rivals interleaved, and write race.json, a sheet and the pictures into `folder`.

    The sheet shows the finished pictures, and for each rival the first picture of the configuration that is as good.

    Args:
        content: Content image.
        style: Style image.
        folder: Folder of the results. The sheet in it has the name of the content image.
        config: The configuration, see `bench.time_to_quality.racers.read_racers`.
        rivals: The configurations that it races against, likewise; `RIVALS` if there are none.
        size: Long side of the pictures, in pixels.
        on_point: Called with the name of a configuration and each measured picture.

    Raises:
        UsageError: An image, an option or the folder is invalid.
        StyleTransferError: A run failed, or a package is not installed.
    """
    rivals = rivals or [name for name in RIVALS if name != config]
    pair, racers = Pair(content, style), read_racers([config, *rivals], size)
    files = [Path(value) for value in (config, *rivals) if is_file(value)]
    _check_folder(folder, content, racers, [content, style, *files])
    contents = quantize(resize(read_image(content, name="content").pixels, pair.fitted_sizes(size)[0]))
    styles = quantize(read_image(style, name="style").pixels)
    reference = Reference.of(load_efficientnet(), contents, resize(styles, pair.fitted_sizes(size)[1]))

    counts = [POINTS, *(RIVAL_POINTS for _ in rivals)]
    runs = {one.name: _Run(one, contents, styles, reference, count) for one, count in zip(racers, counts, strict=True)}
    _warm_up(racers)
    run_interleaved([run.timed for run in runs.values()], on_point)

    results = tuple(
        ConfigurationResult(name=name, config=run.racer.settings, points=tuple(run.timed.points))
        for name, run in runs.items()
    )
    first, *others = results
    result = RaceRun(
        kind="race",
        date=datetime.now(UTC).replace(microsecond=0),
        machine=describe_machine(),
        content=content.name,
        style=style.name,
        size=size_of(contents),
        racers=results,
        leads=tuple(time_to_match(first.points, rival.name, rival.points) for rival in others),
    )
    _write_pictures(folder, pair, runs, result)
    save(result, folder / RESULTS)
    return result


def time_to_match(points: Sequence[RacePoint], rival: str, rival_points: Sequence[RacePoint]) -> TimeToMatch:
    """Compare the time of a rival's whole run with that of the first point that is as good as its end."""
    end = rival_points[-1]
    good = [point for point in points if _is_as_good(point, end)]
    seconds = good[0].seconds if good else None
    return TimeToMatch(rival=rival, rival_seconds=end.seconds, seconds=seconds, ratio=seconds and end.seconds / seconds)


class _Run:
    """A racer on its way; keeps its measured pictures by their times."""

    def __init__(self, racer: Racer, content: Pixels, style: Pixels, reference: Reference, points: int) -> None:
        """Prepare a run of which about `points` pictures are measured."""
        self.racer = racer
        self.pictures: dict[float, Image.Image] = {}
        self._reference = reference
        self.timed = TimedRun(
            racer.name,
            racer.prepare(content, style),
            interval=max(1, racer.evaluations // points),
            evaluate=self._evaluate,
            clock=make_timer(choose_device(racer.device).type),
        )

    def _evaluate(self, evaluations: int, seconds: float, image: Pixels) -> RacePoint:
        self.pictures[seconds] = to_image(image)
        return RacePoint(evaluations, seconds, self._reference.measure(image))


def _is_as_good(point: RacePoint, end: RacePoint) -> bool:
    found, wanted = point.measures, end.measures
    return found.structure <= wanted.structure and found.style <= wanted.style


def _check_folder(folder: Path, content: Path, racers: Sequence[Racer], inputs: Sequence[Path]) -> None:
    """Check that no file is overwritten but those of an earlier race with this content image."""
    written = [folder / f"{content.stem}.png", *(_picture(folder, racer.name) for racer in racers)]
    for path in (folder / RESULTS, *written):
        check_writable(path, inputs=inputs)
    if (folder / RESULTS).exists():
        earlier = load(folder / RESULTS)
        if not isinstance(earlier, RaceRun) or earlier.content != content.name:
            raise UsageError(f"{folder / RESULTS} is not of a race with {content.name}: choose another folder")
    elif present := [path for path in written if path.exists()]:
        raise UsageError(f"refusing to overwrite {present[0]}, which belongs to no race: choose another folder")


def _warm_up(racers: Sequence[Racer]) -> None:
    """Make the first step of every racer with a small image, so that the initialisation of devices is not timed."""
    grey = np.full((1, 3, 128, 128), 0.5, np.float32)
    for racer in racers:
        next(racer.prepare(grey, grey))


def _picture(folder: Path, name: str) -> Path:
    return folder / PICTURES / f"{name}.png"


def _write_pictures(folder: Path, pair: Pair, runs: Mapping[str, _Run], result: RaceRun) -> None:
    """Write the finished pictures and the sheet."""
    first, pictures = result.racers[0].name, dict[str, Image.Image]()
    for name, run in runs.items():
        pictures[name] = run.pictures[run.timed.points[-1].seconds]
        write_image(_picture(folder, name), read_image(pictures[name]).pixels)
    for one in result.leads:
        if one.seconds is not None:
            pictures[f"{first}, as good as {one.rival}: {one.seconds:.3g} s"] = runs[first].pictures[one.seconds]
    write_contact_sheets(folder, [pair], list(pictures), lambda name, _: pictures[name])
