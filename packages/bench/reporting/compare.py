"""Tells a slower program from a noisy machine: two runs, benchmark by benchmark."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from rich.table import Table
from rich.text import Text

from bench.reporting.results import Benchmark, Run, shown
from core.errors import StyleTransferError, UsageError

By = Literal["time", "share"]
Verdict = Literal["slower", "faster", "same", "too few rounds"]
Memory = Literal["more", "less", "same"]

LEVEL = 0.05
"""A difference counts if chance alone would show one like it at most this often; three rounds each can reach it."""

BLOCKS = 20
"""Into so many blocks of rounds, one after the other, a long benchmark is divided, of which only the medians count.

A machine that is slow for a while is so for many short rounds in a row; taken one by one, they would look like as many
independent witnesses.
"""

_COLOURS = {"slower": "red", "more": "red", "faster": "green", "less": "green"}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One benchmark in both runs.

    `base` and `new` are the seconds of their median rounds. `ratio` is new over base, of what was compared:
    seconds, or seconds times the limit of the machine they were spent on. `p_value` is that of the test on the
    rounds, that one run is slower by more than is allowed; None with too few rounds to ever reach `LEVEL`.
    `memory_ratio` is that of the peaks; None where they were not measured. `note` says what is unusual.
    """

    name: str
    base: float
    new: float
    ratio: float
    p_value: float | None
    verdict: Verdict
    memory_ratio: float | None
    memory: Memory
    note: str

    @property
    def is_regression(self) -> bool:
        """Whether it became slower or needs more memory."""
        return self.verdict == "slower" or self.memory == "more"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What two runs have in common, in the order of the new one, and what only one of them has."""

    title: str
    fail_above: float
    rows: tuple[Row, ...]
    only_base: tuple[str, ...]
    only_new: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def regressions(self) -> tuple[Row, ...]:
        """What became slower or needs more memory."""
        return tuple(row for row in self.rows if row.is_regression)

    def table(self) -> Table:
        """The comparison as a table for people."""
        rule = f"slower, more: above {self.fail_above:g} times; time by a one-sided Mann-Whitney U test, p <= {LEVEL:g}"
        table = Table(title=Text(f"{self.title}\n{rule}"))
        table.add_column("benchmark", overflow="fold")
        for heading in ("base ms", "new ms", "ratio", "p", "memory"):
            table.add_column(heading, justify="right")
        table.add_column("")
        for row in self.rows:
            p_value = "–" if row.p_value is None else f"{row.p_value:.3f}"
            memory = "–" if row.memory_ratio is None else f"{row.memory_ratio:.2f}"
            # Text, because Rich would take the brackets in a name for its own.
            figures = (row.name, shown(row.base * 1e3), shown(row.new * 1e3), f"{row.ratio:.2f}", p_value, memory)
            table.add_row(*map(Text, figures), _told(row))
        for where, names in (("base", self.only_base), ("new", self.only_new)):
            for name in names:
                table.add_row(Text(name), *[""] * 5, f"only in {where}")
        return table


def compare(base: Run, new: Run, *, fail_above: float, by: By) -> Comparison:
    """Compare what two runs have in common.

    A benchmark is slower if its rounds are by more than `fail_above` times, by a one-sided Mann-Whitney U test
    (Mann and Whitney 1947), and the ratio of the medians is above that as well: neither the noise among rounds
    nor an outlier fails. A machine that was busier during one whole run than during the other does, because
    rounds do not tell that from a slower program: then measure both again. Peak memory, which hardly varies, is
    judged by its ratio alone.

    Args:
        base: What to compare with.
        new: What may have become slower.
        fail_above: The ratio that is still allowed, above 1.
        by: "time" compares seconds. "share" first multiplies them with the operations a second that a matrix
            product reached on the same machine in the same run, so that runs of different machines compare.

    Raises:
        UsageError: `fail_above` allows nothing or everything, or the runs have nothing in common.
    """
    if not 1 < fail_above < math.inf:
        raise UsageError(f"--fail-above is {fail_above:g}, expected a ratio above 1, such as 1.1")
    before = {benchmark.key: benchmark for benchmark in base.benchmarks}
    after = {benchmark.key: benchmark for benchmark in new.benchmarks}
    rows = tuple(_row(before[key], after[key], fail_above, by) for key in after if key in before)
    if not rows:
        raise UsageError(
            f"{base.path} and {new.path} have no benchmark in common: compare runs of the same suites and device"
        )
    return Comparison(
        title=f"{new.path} against {base.path}, by {by}",
        fail_above=fail_above,
        rows=rows,
        only_base=tuple(benchmark.name for key, benchmark in before.items() if key not in after),
        only_new=tuple(benchmark.name for key, benchmark in after.items() if key not in before),
        warnings=_warnings(base, new, rows, by),
    )


def _row(base: Benchmark, new: Benchmark, fail_above: float, by: By) -> Row:
    rates, note = (1.0, 1.0), ""
    if by == "share":
        if base.limit_flop_per_second and new.limit_flop_per_second:
            rates = base.limit_flop_per_second, new.limit_flop_per_second
        else:
            note = "by time, no limit measured"
    before, after = ([seconds * rate for seconds in run.rounds] for run, rate in zip((base, new), rates, strict=True))
    ratio = statistics.median(after) / statistics.median(before)
    p_value = _p_value(before, after, fail_above)
    memory_ratio = None
    if base.peak_memory_bytes and new.peak_memory_bytes:
        memory_ratio = new.peak_memory_bytes / base.peak_memory_bytes
    return Row(
        name=new.name,
        base=base.median,
        new=new.median,
        ratio=ratio,
        p_value=p_value,
        verdict=_verdict(ratio, p_value, fail_above),
        memory_ratio=memory_ratio,
        memory=_memory(memory_ratio, fail_above),
        note=note,
    )


def _p_value(before: Sequence[float], after: Sequence[float], fail_above: float) -> float | None:
    """How often chance alone would make the run with the larger median look so much slower, if it is not."""
    if 1 / math.comb(len(before) + len(after), len(before)) > LEVEL:
        return None
    try:
        from scipy.stats import mannwhitneyu
    except ImportError as error:
        raise StyleTransferError("comparing runs needs scipy, which is not installed: pip install scipy") from error
    slower, faster = (after, before) if statistics.median(after) >= statistics.median(before) else (before, after)
    allowed = [fail_above * seconds for seconds in faster]
    return float(mannwhitneyu(_blocks(slower), _blocks(allowed), alternative="greater").pvalue)


def _blocks(rounds: Sequence[float]) -> list[float]:
    """The medians of at most `BLOCKS` runs of consecutive rounds, as equal in length as can be."""
    count = min(BLOCKS, len(rounds))
    edges = [at * len(rounds) // count for at in range(count + 1)]
    return [statistics.median(rounds[start:end]) for start, end in pairwise(edges)]


def _verdict(ratio: float, p_value: float | None, fail_above: float) -> Verdict:
    if p_value is None:
        return "too few rounds"
    if p_value <= LEVEL and ratio > fail_above:
        return "slower"
    if p_value <= LEVEL and 1 / ratio > fail_above:
        return "faster"
    return "same"


def _memory(ratio: float | None, fail_above: float) -> Memory:
    if ratio is not None and ratio > fail_above:
        return "more"
    if ratio is not None and 1 / ratio > fail_above:
        return "less"
    return "same"


def _warnings(base: Run, new: Run, rows: Sequence[Row], by: By) -> tuple[str, ...]:
    if base.machine == new.machine:
        return ()
    machines = f"the runs are of different machines ({base.machine}; {new.machine})"
    if by == "time":
        return (f"{machines}, so that times say little about the program: compare with --by share",)
    if timed := sum(bool(row.note) for row in rows):
        return (f"{machines}, and no limit was measured for {timed} of {len(rows)} benchmarks: compared by time",)
    return ()


def _told(row: Row) -> Text:
    """The verdicts in words, with colour where something changed."""
    told = Text(row.verdict, style=_COLOURS.get(row.verdict, ""))
    if row.memory != "same":
        told.append(f", {row.memory} memory", style=_COLOURS[row.memory])
    return told.append(f" ({row.note})" if row.note else "", style="default")
