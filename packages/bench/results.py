"""Result files: their fields, and a reader that checks every value.

`python -m bench run` writes the JSON of pytest-benchmark, with further figures in its `extra_info`;
`python -m bench time-to-quality` writes a `TimeToQualityRun`, and `python -m bench quality` a `QualityRun`.
"""

import statistics
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from bench.machine import Machine
from bench.old_results import OLD_KIND, to_current_format
from core.errors import UsageError
from core.files import check_regular, reason, replacing
from core.schema import Count, NonNegative, Positive

T = TypeVar("T", bound=Struct)

Side = Annotated[int, Meta(ge=1)]


class Figures(Struct, frozen=True, kw_only=True):
    """The `extra_info` of one benchmark. Rates are those of the median round; None where a figure does not apply."""

    suite: str
    backend: str
    precision: str
    device: str
    machine: str
    versions: Mapping[str, str]
    width: Side | None = None
    height: Side | None = None
    evaluations_per_second: Positive | None = None
    megapixel_evaluations_per_second: Positive | None = None
    limit_flop_per_second: Positive | None = None
    share_of_limit: Positive | None = None
    peak_memory_bytes: Positive | None = None
    estimated_memory_bytes: Positive | None = None


class Stats(Struct, frozen=True):
    """The `stats` of one benchmark: the seconds of every round."""

    data: Annotated[tuple[Positive, ...], Meta(min_length=1)]


class Benchmark(Struct, frozen=True, kw_only=True):
    """One benchmark; `name` is the test name of pytest, such as "test_objective[cpu-512-eager]"."""

    name: str
    stats: Stats
    figures: Figures = msgspec.field(name="extra_info")

    @property
    def key(self) -> tuple[object, ...]:
        """Identity of a benchmark across runs. Paths and suites are left out: files may have moved in between."""
        figures = self.figures
        return self.name, figures.backend, figures.precision, figures.device, figures.width, figures.height

    @property
    def rounds(self) -> tuple[float, ...]:
        """Seconds of every round."""
        return self.stats.data

    @property
    def median(self) -> float:
        """Seconds of the median round."""
        return statistics.median(self.rounds)

    @property
    def megapixels(self) -> float | None:
        """Size of the image; None for a benchmark without one."""
        width, height = self.figures.width, self.figures.height
        return width * height / 1e6 if width and height else None


class BenchmarkRun(Struct, frozen=True, kw_only=True):
    """The benchmarks of one run, in the order in which they ran; `file` is the path that `load` read."""

    date: datetime = msgspec.field(name="datetime")
    benchmarks: Annotated[tuple[Benchmark, ...], Meta(min_length=1)]
    file: str = ""

    def __post_init__(self) -> None:
        """Raise ValueError, which msgspec reports as invalid, if the file is not that of a single run."""
        keys = {benchmark.key for benchmark in self.benchmarks}
        machines = {benchmark.figures.machine for benchmark in self.benchmarks}
        if len(keys) < len(self.benchmarks) or len(machines) > 1:
            raise ValueError("The benchmarks are those of several runs, expected those of one")

    @property
    def machine_name(self) -> str:
        """Description of the machine in one line."""
        return self.benchmarks[0].figures.machine

    @property
    def versions(self) -> Mapping[str, str]:
        """Versions of the installed packages by name."""
        return self.benchmarks[0].figures.versions


class Point(Struct, frozen=True):
    """Loss of the image that a program delivers after `evaluations` and `seconds` of its own work."""

    evaluations: Count
    seconds: NonNegative
    loss: NonNegative
    parts: Mapping[str, NonNegative]


class ProgramResult(Struct, frozen=True, kw_only=True):
    """One program of a time-to-quality benchmark; `skipped` is the reason why it did not run."""

    name: str
    description: str
    points: tuple[Point, ...]
    skipped: str | None = None


class Speedup(Struct, frozen=True, kw_only=True):
    """Time at which the toolkit reaches the final loss of a baseline.

    `loss` and `baseline_seconds` are those of the baseline's last image. `toolkit_seconds` is the time of the first
    toolkit image whose loss is at most `loss`, and `speedup` the ratio of the two times. `content_seconds` and
    `content_speedup` require in addition that the content loss is at most that of the baseline, because an equal
    total can hide lost content. None where the toolkit never gets there.
    """

    baseline: str
    loss: NonNegative
    baseline_seconds: NonNegative
    toolkit_seconds: Positive | None = None
    speedup: Positive | None = None
    content_seconds: Positive | None = None
    content_speedup: Positive | None = None


class MachineRun(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the result files that this program writes have in common; `file` is the path that `load` read."""

    date: datetime
    machine: Machine
    file: str = ""

    @property
    def machine_name(self) -> str:
        """Description of the machine in one line."""
        return self.machine.name

    @property
    def versions(self) -> Mapping[str, str]:
        """Versions of the installed packages by name."""
        return self.machine.versions


class TimeToQualityRun(MachineRun, frozen=True, kw_only=True, omit_defaults=True):
    """One time-to-quality benchmark."""

    kind: Literal["time-to-quality"]
    settings: Mapping[str, Any]
    programs: tuple[ProgramResult, ...]
    speedups: tuple[Speedup, ...]


class Measures(Struct, frozen=True):
    """Differences of a picture from its content (`structure`) or its style image (the others); 0 is equal.

    `bench.quality.measures` defines them. `dirt` is None if the style image has no fine texture.
    """

    structure: NonNegative
    style: NonNegative
    color: NonNegative
    dirt: NonNegative | None


class Picture(Struct, frozen=True, kw_only=True):
    """One picture of a quality run, the names of its input files, and its measures.

    `seconds` is the duration of the run without process start-up, and `peak_memory_bytes` the largest resident set of
    its process; None if this program did not make the picture.
    """

    program: str
    content: str
    style: str
    measures: Measures
    seconds: NonNegative | None = None
    peak_memory_bytes: Positive | None = None


class QualityProgram(Struct, frozen=True, kw_only=True):
    """A column of a quality run; `config` holds all options of a configuration of the toolkit."""

    name: str
    role: Literal["configuration", "rival", "control"]
    config: Mapping[str, Any] | None = None


class QualityRun(MachineRun, frozen=True, kw_only=True, omit_defaults=True):
    """One run of `python -m bench quality`, with a picture of each program for each pair of content and style."""

    kind: Literal["quality"]
    size: Side
    programs: tuple[QualityProgram, ...]
    pictures: tuple[Picture, ...]


class RacePoint(Struct, frozen=True):
    """Measures of the picture that a configuration delivers after `evaluations` and `seconds` of its own work."""

    evaluations: Count
    seconds: NonNegative
    measures: Measures


class ConfigurationResult(Struct, frozen=True, kw_only=True):
    """One configuration of a race, with all its options; the last point is that of the finished picture."""

    name: str
    config: Mapping[str, Any]
    points: Annotated[tuple[RacePoint, ...], Meta(min_length=1)]


class TimeToMatch(Struct, frozen=True, kw_only=True):
    """Time at which the first configuration of a race is as good as the finished picture of a rival.

    A picture is as good if neither its structure nor its style differs more than that of the rival's last picture.
    `seconds` is the time of the first such picture, `rival_seconds` that of the rival's whole run, and `ratio` the
    second divided by the first. Without such a picture `seconds` and `ratio` are None.
    """

    rival: str
    rival_seconds: NonNegative
    seconds: Positive | None = None
    ratio: Positive | None = None


class RaceRun(MachineRun, frozen=True, kw_only=True, omit_defaults=True):
    """One run of `python -m bench race`; the first racer is compared with each of the others."""

    kind: Literal["race"]
    content: str
    style: str
    size: tuple[Side, Side]
    racers: Annotated[tuple[ConfigurationResult, ...], Meta(min_length=2)]
    leads: tuple[TimeToMatch, ...]


Run = BenchmarkRun | TimeToQualityRun | QualityRun | RaceRun

_KINDS: Mapping[str, type[TimeToQualityRun | QualityRun | RaceRun]] = {
    "time-to-quality": TimeToQualityRun,
    "quality": QualityRun,
    "race": RaceRun,
}
"""The files that this program writes itself, by their field `kind`; those of pytest-benchmark have none."""


def load(path: Path) -> Run:
    """Read a result file of any kind; its content decides which one it is.

    Raises:
        UsageError: The file cannot be read, is no result file, or has a field that is missing or invalid.
    """
    check_regular(path, f"result file {path}")
    try:
        values = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise UsageError(f"cannot read {path}: {reason(error)}; name a file that python -m bench wrote") from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise UsageError(f"{path} is not a result file of python -m bench: {error}") from error
    kind = values.get("kind") if isinstance(values, dict) else None
    if kind == OLD_KIND:
        return _convert(to_current_format(values), TimeToQualityRun, path)
    for name, run in _KINDS.items():
        if kind == name:
            return _convert(values, run, path)
    if isinstance(values, dict) and "benchmarks" in values:
        return _convert(values, BenchmarkRun, path)
    raise UsageError(
        f"{path} is not a result file: expected one of python -m bench run, time-to-quality, quality or race"
    )


def load_benchmarks(path: Path) -> BenchmarkRun:
    """Read a file of `python -m bench run`; raise UsageError for any other, as `load` does."""
    run = load(path)
    if not isinstance(run, BenchmarkRun):
        raise UsageError(f"{path} holds a {run.kind} benchmark: expected a file that python -m bench run wrote")
    return run


def save(run: MachineRun, path: Path) -> None:
    """Write a benchmark to `path` as JSON."""
    with replacing(path) as temporary:
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(run), indent=1) + b"\n")


def _convert(values: Any, kind: type[T], path: Path) -> T:
    """Check the decoded JSON; `path` is recorded in the field `file`."""
    try:
        return msgspec.convert({**values, "file": str(path)}, kind)
    except msgspec.ValidationError as error:
        raise UsageError(f"{path} is damaged: {error}; run the benchmark again") from error
