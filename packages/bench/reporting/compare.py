"""Comparison of two benchmark runs that separates slower code from noise of the machine."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from bench.results import Benchmark, BenchmarkRun
from core.errors import StyleTransferError, UsageError

By = Literal["time", "share"]
Verdict = Literal["slower", "faster", "same", "too few rounds"]
MemoryVerdict = Literal["more", "less", "same"]

SIGNIFICANCE_LEVEL = 0.05
"""Level of the test on the rounds; three rounds on each side are enough to reach it."""

BLOCKS = 20
"""Largest number of blocks of consecutive rounds whose medians enter the test.

A machine that is slow for a while slows many short rounds in a row. The rounds are then not independent, and a test on
single rounds would report a difference that does not exist.
"""


@dataclass(frozen=True, kw_only=True)
class Row:
    """Comparison of one benchmark.

    `base` and `new` are the median seconds. `ratio` is new over base, of seconds or of seconds times the limit of the
    machine. `p_value` is that of the one-sided test that the slower run takes more than the allowed ratio; None with
    too few rounds to reach `SIGNIFICANCE_LEVEL`. `memory_ratio` is that of the peaks, None without a measurement.
    `note` says if the row was compared by time because no limit was measured.
    """

    name: str
    base: float
    new: float
    ratio: float
    p_value: float | None
    verdict: Verdict
    memory_ratio: float | None
    memory: MemoryVerdict
    note: str

    @property
    def is_regression(self) -> bool:
        """Whether the benchmark is slower or needs more memory."""
        return self.verdict == "slower" or self.memory == "more"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Benchmarks that both runs have, in the order of the new run, and names of those that only one run has."""

    title: str
    fail_above: float
    rows: tuple[Row, ...]
    only_base: tuple[str, ...]
    only_new: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def regressions(self) -> tuple[str, ...]:
        """Names of the benchmarks that are slower or need more memory."""
        return tuple(row.name for row in self.rows if row.is_regression)


def compare(base: BenchmarkRun, new: BenchmarkRun, *, fail_above: float, by: By) -> Comparison:
    """Compare the benchmarks that two runs have in common.

    A benchmark is slower if a one-sided Mann-Whitney U test (Mann and Whitney 1947) on the rounds shows that it takes
    more than `fail_above` times as long, and the ratio of the medians is above `fail_above` as well. Noise between
    rounds or an outlier is thus no regression. If the machine is slower during one whole run, the test reports a false
    regression: run such a benchmark again (`--confirm-base`, `--confirm-new`). Peak memory varies little and is
    compared by its ratio alone.

    Args:
        base: The run before a change.
        new: The run after it.
        fail_above: Largest allowed ratio, above 1.
        by: "time" compares seconds. "share" multiplies them by the peak rate of matrix products (FLOP/s) that the same
            run measured, so that runs of different machines can be compared.

    Raises:
        UsageError: `fail_above` is not above 1, or the runs have no benchmark in common.
    """
    if not 1 < fail_above < math.inf:
        raise UsageError(f"--fail-above is {fail_above:g}, expected a ratio above 1, such as 1.1")
    before = {benchmark.key: benchmark for benchmark in base.benchmarks}
    after = {benchmark.key: benchmark for benchmark in new.benchmarks}
    rows = tuple(_compare_one(before[key], after[key], fail_above, by) for key in after if key in before)
    if not rows:
        raise UsageError(
            f"{base.file} and {new.file} have no benchmark in common: compare runs of the same suites and device"
        )
    return Comparison(
        title=f"{new.file} against {base.file}, by {by}",
        fail_above=fail_above,
        rows=rows,
        only_base=tuple(benchmark.name for key, benchmark in before.items() if key not in after),
        only_new=tuple(benchmark.name for key, benchmark in after.items() if key not in before),
        warnings=_warnings(base, new, rows, by),
    )


def _compare_one(base: Benchmark, new: Benchmark, fail_above: float, by: By) -> Row:
    rates, note = (1.0, 1.0), ""
    if by == "share":
        if base.figures.limit_flop_per_second and new.figures.limit_flop_per_second:
            rates = base.figures.limit_flop_per_second, new.figures.limit_flop_per_second
        else:
            note = "by time, no limit measured"
    before, after = (
        [seconds * rate for seconds in benchmark.rounds] for benchmark, rate in zip((base, new), rates, strict=True)
    )
    ratio = statistics.median(after) / statistics.median(before)
    p_value = _p_value(before, after, fail_above)
    memory_ratio = None
    if base.figures.peak_memory_bytes and new.figures.peak_memory_bytes:
        memory_ratio = new.figures.peak_memory_bytes / base.figures.peak_memory_bytes
    return Row(
        name=new.name,
        base=base.median,
        new=new.median,
        ratio=ratio,
        p_value=p_value,
        verdict=_verdict(ratio, p_value, fail_above),
        memory_ratio=memory_ratio,
        memory=_memory_verdict(memory_ratio, fail_above),
        note=note,
    )


def _p_value(before: Sequence[float], after: Sequence[float], fail_above: float) -> float | None:
    """Return the p-value that the slower run takes more than `fail_above` times as long as the other one."""
    if 1 / math.comb(len(before) + len(after), len(before)) > SIGNIFICANCE_LEVEL:  # the smallest p-value there can be
        return None
    try:
        from scipy.stats import mannwhitneyu
    except ImportError as error:
        raise StyleTransferError("comparing runs needs scipy, which is not installed: pip install scipy") from error
    slower, faster = (after, before) if statistics.median(after) >= statistics.median(before) else (before, after)
    allowed = [fail_above * seconds for seconds in faster]
    return float(mannwhitneyu(_block_medians(slower), _block_medians(allowed), alternative="greater").pvalue)


def _block_medians(rounds: Sequence[float]) -> list[float]:
    """Divide consecutive rounds into at most `BLOCKS` blocks of nearly equal length, and return their medians."""
    count = min(BLOCKS, len(rounds))
    edges = [block * len(rounds) // count for block in range(count + 1)]
    return [statistics.median(rounds[start:end]) for start, end in pairwise(edges)]


def _verdict(ratio: float, p_value: float | None, fail_above: float) -> Verdict:
    if p_value is None:
        return "too few rounds"
    if p_value <= SIGNIFICANCE_LEVEL and ratio > fail_above:
        return "slower"
    if p_value <= SIGNIFICANCE_LEVEL and 1 / ratio > fail_above:
        return "faster"
    return "same"


def _memory_verdict(ratio: float | None, fail_above: float) -> MemoryVerdict:
    if ratio is not None and ratio > fail_above:
        return "more"
    if ratio is not None and 1 / ratio > fail_above:
        return "less"
    return "same"


def _warnings(base: BenchmarkRun, new: BenchmarkRun, rows: Sequence[Row], by: By) -> tuple[str, ...]:
    if base.machine_name == new.machine_name:
        return ()
    machines = f"the runs are from different machines ({base.machine_name}; {new.machine_name})"
    if by == "time":
        return (f"{machines}, so times do not compare the code alone: use --by share",)
    if timed := sum(bool(row.note) for row in rows):
        return (f"{machines}, and {timed} of {len(rows)} benchmarks have no measured limit: compared by time",)
    return ()
