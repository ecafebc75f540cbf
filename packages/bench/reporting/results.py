"""Reads what was measured: the files of `python -m bench run` (pytest-benchmark's) and of `python -m bench peers`."""

import json
import math
import statistics
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn, TypeGuard, TypeVar

from core.errors import UsageError
from core.files import reason

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """One benchmark: what ran, how, where, on what size of picture, and what was measured.

    `name` is pytest's, as in "test_objective[cpu-512-eager]"; `width` and `height` are in pixels, `rounds` the
    seconds of every round, the rates those of the median round. A figure that has no meaning for it is None.
    """

    suite: str
    name: str
    backend: str
    precision: str
    device: str
    width: int | None
    height: int | None
    rounds: tuple[float, ...]
    evaluations_per_second: float | None
    megapixel_evaluations_per_second: float | None
    limit_flop_per_second: float | None
    share_of_limit: float | None
    peak_memory_bytes: float | None
    estimated_memory_bytes: float | None

    @property
    def key(self) -> tuple[object, ...]:
        """What makes it the same benchmark in two runs."""
        return self.suite, self.name, self.backend, self.precision, self.device, self.width, self.height

    @property
    def median(self) -> float:
        """Seconds of the median round."""
        return statistics.median(self.rounds)

    @property
    def megapixels(self) -> float | None:
        """The size of its picture; None where there is none."""
        return self.width * self.height / 1e6 if self.width and self.height else None


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What every file of results says: when it was measured, on what machine, with which versions."""

    path: Path
    date: datetime
    machine: str
    versions: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Run(Measured):
    """The benchmarks of one run, at least one, in the order they ran in."""

    benchmarks: tuple[Benchmark, ...]


@dataclass(frozen=True, kw_only=True)
class Point:
    """The delivered loss, and its parts by name, after so many evaluations and seconds."""

    evaluations: int
    seconds: float
    loss: float
    parts: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One of those that minimised the same objective; `skipped` is the reason why it did not."""

    name: str
    description: str
    skipped: str | None
    points: tuple[Point, ...]


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """When ours delivered the loss that a peer delivers at its end (`mark`), and when its content loss as well.

    None where it never did.
    """

    peer: str
    mark: float
    peer_seconds: float
    our_seconds: float | None
    ratio: float | None
    content_seconds: float | None
    content_ratio: float | None


@dataclass(frozen=True, kw_only=True)
class PeersRun(Measured):
    """One race of ours against the peers: under which settings, who took part, and how it ended."""

    settings: Mapping[str, Any]
    contenders: tuple[Contender, ...]
    ratios: tuple[Ratio, ...]


def load(path: Path) -> Run | PeersRun:
    """Read a file of results of either kind; its content tells which it is, whatever its name.

    Raises:
        UsageError: There is no such file, it is of neither kind, or something in it is missing or nonsense.
    """
    try:
        values = json.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"cannot read {path}: {reason(error)}; name a file that python -m bench wrote") from error
    except (ValueError, RecursionError):
        values = None
    file = _Object(values if isinstance(values, dict) else {}, str(path))
    if file.values.get("kind") == "peers":
        return _read_peers(path, file)
    if "benchmarks" in file.values:
        return _read_run(path, file)
    raise UsageError(f"{path} holds no results: expected what python -m bench run or python -m bench peers writes")


def load_run(path: Path) -> Run:
    """Read a file of benchmarks as `load` does; one of peers is a UsageError too."""
    run = load(path)
    if isinstance(run, PeersRun):
        raise UsageError(f"{path} holds a race against peers: expected what python -m bench run writes")
    return run


def shown(value: float | None, digits: int = 3) -> str:
    """A number for people: that many significant digits, never an exponent; a dash for None."""
    if value is None:
        return "–"
    if not value or not math.isfinite(value):
        return f"{value:g}"
    decimals = digits - 1 - int(f"{value:.{digits - 1}e}".partition("e")[2])
    return f"{round(value, decimals):,.{max(0, decimals)}f}"


def one_line(text: str) -> str:
    """Text without line breaks and what else cannot be printed: tables break at it, and XML cannot hold it."""
    return "".join(character if character.isprintable() else " " for character in text)


def _read_run(path: Path, file: "_Object") -> Run:
    benchmarks = file.each("benchmarks", _read_benchmark)
    machines = file.each("benchmarks", lambda entry: entry.inner("extra_info").text("machine"))
    if not benchmarks:
        raise UsageError(f"{path} holds no benchmarks: run some that this machine can run")
    if len({benchmark.key for benchmark in benchmarks}) < len(benchmarks) or len(set(machines)) > 1:
        raise UsageError(f"{path} holds several runs in one: name a file that python -m bench run wrote")
    versions = file.each("benchmarks", lambda entry: entry.inner("extra_info").inner("versions").texts())
    return Run(path=path, date=file.date("datetime"), machine=machines[0], versions=versions[0], benchmarks=benchmarks)


def _read_benchmark(entry: "_Object") -> Benchmark:
    extra = entry.inner("extra_info")
    return Benchmark(
        suite=extra.text("suite"),
        name=entry.text("name"),
        backend=extra.text("backend"),
        precision=extra.text("precision"),
        device=extra.text("device"),
        width=extra.whole("width") if extra.has("width") else None,
        height=extra.whole("height") if extra.has("height") else None,
        rounds=entry.inner("stats").rounds("data"),
        evaluations_per_second=extra.positive("evaluations_per_second"),
        megapixel_evaluations_per_second=extra.positive("megapixel_evaluations_per_second"),
        limit_flop_per_second=extra.positive("limit_flop_per_second"),
        share_of_limit=extra.positive("share_of_limit"),
        peak_memory_bytes=extra.positive("peak_memory_bytes"),
        estimated_memory_bytes=extra.positive("estimated_memory_bytes"),
    )


def _read_peers(path: Path, file: "_Object") -> PeersRun:
    machine = file.inner("machine")
    return PeersRun(
        path=path,
        date=file.date("date"),
        machine=machine.text("name"),
        versions=machine.inner("versions").texts(),
        settings=file.inner("settings").values,
        contenders=file.each("contenders", _read_contender),
        ratios=file.each("ratios", _read_ratio),
    )


def _read_contender(entry: "_Object") -> Contender:
    return Contender(
        name=entry.text("name"),
        description=entry.text("description"),
        skipped=entry.text("skipped") if entry.has("skipped") else None,
        points=entry.each("points", _read_point),
    )


def _read_point(entry: "_Object") -> Point:
    parts = entry.inner("parts")
    return Point(
        evaluations=entry.whole("evaluations"),
        seconds=entry.number("seconds"),
        loss=entry.number("loss"),
        parts={name: parts.number(name) for name in parts.values},
    )


def _read_ratio(entry: "_Object") -> Ratio:
    return Ratio(
        peer=entry.text("peer"),
        mark=entry.number("mark"),
        peer_seconds=entry.number("peer_seconds"),
        our_seconds=entry.positive("our_seconds"),
        ratio=entry.positive("ratio"),
        content_seconds=entry.positive("content_seconds"),
        content_ratio=entry.positive("content_ratio"),
    )


@dataclass(frozen=True)
class _Object:
    """An object in a file that may hold anything, and where in the file it stands, for errors."""

    values: Mapping[str, Any]
    where: str

    def has(self, key: str) -> bool:
        return self.values.get(key) is not None

    def get(self, key: str, kind: type[T], expected: str) -> T:
        value = self.values.get(key)
        if not isinstance(value, kind):
            self._fail(key, expected)
        return value

    def text(self, key: str) -> str:
        return one_line(self.get(key, str, "text"))

    def texts(self) -> dict[str, str]:
        return {one_line(name): self.text(name) for name in self.values}

    def number(self, key: str) -> float:
        value = self.values.get(key)
        return float(value) if _is_number(value) else self._fail(key, "a number of at least 0")

    def positive(self, key: str) -> float | None:
        """A figure that may have no meaning, and is None then."""
        return self.number(key) or self._fail(key, "a positive number") if self.has(key) else None

    def rounds(self, key: str) -> tuple[float, ...]:
        values = self.get(key, list, "the seconds of every round")
        if not values or not all(_is_number(value) and value for value in values):
            self._fail(key, "the seconds of every round")
        return tuple(map(float, values))

    def whole(self, key: str) -> int:
        number = self.number(key)
        return int(number) if number == int(number) else self._fail(key, "a whole number")

    def date(self, key: str) -> datetime:
        try:
            return datetime.fromisoformat(self.text(key))
        except ValueError:
            self._fail(key, "a date")

    def inner(self, key: str) -> "_Object":
        return _Object(self.get(key, dict, "an object"), f"{self.where}, {key}")

    def each(self, key: str, read: Callable[["_Object"], T]) -> tuple[T, ...]:
        entries = self.get(key, list, "a list of objects")
        if not all(isinstance(entry, dict) for entry in entries):
            self._fail(key, "a list of objects")
        return tuple(read(_Object(entry, f"{self.where}, {key}[{at}]")) for at, entry in enumerate(entries))

    def _fail(self, key: str, expected: str) -> NoReturn:
        came = f"is {str(self.values[key])[:40]!r}" if key in self.values else "is missing"
        raise UsageError(f"{self.where}: {key} {came}, expected {expected}; measure again")


def _is_number(value: object) -> TypeGuard[float]:
    """Finite and at least 0, as everything measured is; True is no number here."""
    return isinstance(value, float | int) and not isinstance(value, bool) and 0 <= value <= sys.float_info.max
