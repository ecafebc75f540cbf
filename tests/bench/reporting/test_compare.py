"""Comparison of two runs, on synthetic rounds: noise, slowdowns, outliers, different machines."""

import math
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from bench.reporting.compare import SIGNIFICANCE_LEVEL, By, Comparison, compare
from bench.results import Benchmark, BenchmarkRun, Figures, Stats
from core.errors import StyleTransferError, UsageError

TRIALS = 300


def benchmark(
    rounds: Sequence[float],
    name: str = "test_it[a]",
    *,
    limit: float | None = None,
    memory: float | None = None,
    machine: str = "this one",
    **other: Any,
) -> Benchmark:
    figures = {
        "suite": "objective",
        "backend": "eager",
        "precision": "fp32",
        "device": "cpu",
        "width": 64,
        "height": 64,
    }
    return Benchmark(
        name=name,
        stats=Stats(tuple(rounds)),
        figures=Figures(
            **figures | other,
            machine=machine,
            versions={"torch": "2"},
            limit_flop_per_second=limit,
            peak_memory_bytes=memory,
        ),
    )


def run(*benchmarks: Benchmark, file: str = "run.json") -> BenchmarkRun:
    return BenchmarkRun(date=datetime(2026, 1, 2, tzinfo=UTC), benchmarks=benchmarks, file=file)


def compared(base: Sequence[float], new: Sequence[float], fail_above: float = 1.1) -> Comparison:
    return compare(run(benchmark(base)), run(benchmark(new)), fail_above=fail_above, by="time")


def verdict(base: Sequence[float], new: Sequence[float], fail_above: float = 1.1) -> str:
    return compared(base, new, fail_above).rows[0].verdict


def fraction_slower(slowdown: float, noise: float, rounds: int) -> float:
    generator = np.random.default_rng(0)
    verdicts = [
        verdict(*(mean * generator.normal(1, noise, rounds).clip(0.1) for mean in (1, slowdown))) for _ in range(TRIALS)
    ]
    return verdicts.count("slower") / TRIALS


@pytest.mark.parametrize("noise", [0.05, 0.1])
@pytest.mark.parametrize("rounds", [3, 5, 30])
def test_compare_ignores_noise(noise: float, rounds: int) -> None:
    assert fraction_slower(1.0, noise, rounds) <= SIGNIFICANCE_LEVEL / 5


@pytest.mark.parametrize(("noise", "rounds"), [(0.05, 15), (0.1, 50)])
def test_compare_finds_a_slowdown(noise: float, rounds: int) -> None:
    assert fraction_slower(1.2, noise, rounds) > 0.95


@pytest.mark.parametrize("rounds", [3, 10])
def test_compare_reports_an_allowed_slowdown_no_more_often_than_the_level(rounds: int) -> None:
    # Both runs have the same distribution once the base is multiplied by the allowed ratio.
    spread = 3 * math.sqrt(SIGNIFICANCE_LEVEL * (1 - SIGNIFICANCE_LEVEL) / TRIALS)
    assert fraction_slower(1.1, 0.05, rounds) <= SIGNIFICANCE_LEVEL + spread


def test_compare_allows_a_significant_slowdown_below_the_threshold() -> None:
    base = [1.0 + i * 1e-6 for i in range(40)]
    assert verdict(base, [1.09 * seconds for seconds in base]) == "same"
    assert verdict(base, [1.09 * seconds for seconds in base], fail_above=1.05) == "slower"


def test_compare_ignores_one_outlier() -> None:
    assert verdict([1.0, 1.01, 0.99, 1.02, 0.98], [1.0, 1.01, 0.99, 1.02, 50.0]) == "same"


def test_compare_reports_faster_benchmarks_without_a_regression() -> None:
    comparison = compared([1.0, 1.01, 0.99], [0.5, 0.51, 0.49])
    assert comparison.rows[0].verdict == "faster"
    assert comparison.rows[0].ratio == pytest.approx(0.5)
    assert not comparison.regressions


def test_compare_needs_three_rounds_on_each_side() -> None:
    row = compared([1.0, 1.01, 0.99], [1.5, 1.51, 1.49]).rows[0]
    assert (row.verdict, row.p_value) == ("slower", 1 / 20)


@pytest.mark.parametrize(("before", "after"), [(1, 1), (2, 3), (3, 2), (1, 18)])
def test_compare_reports_too_few_rounds_without_a_regression(before: int, after: int) -> None:
    comparison = compared([1.0] * before, [10.0] * after)
    assert (comparison.rows[0].verdict, comparison.rows[0].p_value) == ("too few rounds", None)
    assert comparison.rows[0].ratio == 10
    assert not comparison.regressions


def test_p_value_equals_the_fraction_of_permutations() -> None:
    base, new = [1.0, 1.3, 1.1, 1.25], [1.31, 1.5, 1.2, 1.7, 1.46]
    allowed = [1.1 * seconds for seconds in base]
    pooled = sorted(allowed + new)

    def wins(chosen: Sequence[float]) -> int:
        others = [seconds for seconds in pooled if seconds not in chosen]
        return sum(mine > theirs for mine in chosen for theirs in others)

    orders = [wins(chosen) for chosen in combinations(pooled, len(new))]
    expected = sum(order >= wins(new) for order in orders) / len(orders)
    assert compared(base, new).rows[0].p_value == pytest.approx(expected)


def test_compare_accepts_very_different_numbers_of_rounds() -> None:
    assert verdict([1.0 + i * 1e-7 for i in range(100_000)], [1.2, 1.3, 1.25, 1.21, 1.22]) == "slower"


def two_machines(slower_by: float, by: By, program: float = 1.0, limits: bool = True) -> Comparison:
    """Compare a run with one on a machine slower by `slower_by`, of a program slower by `program`."""
    noise = np.random.default_rng(1).normal(1, 0.02, (2, 10))
    base = benchmark(noise[0], limit=2e11 if limits else None, machine="A")
    new = benchmark(noise[1] * slower_by * program, limit=2e11 / slower_by if limits else None, machine="B")
    return compare(run(base), run(new), fail_above=1.1, by=by)


def test_compare_by_share_ignores_a_slower_machine() -> None:
    by_time, by_share = two_machines(1.3, "time"), two_machines(1.3, "share")
    assert [row.verdict for row in (*by_time.rows, *by_share.rows)] == ["slower", "same"]
    assert by_share.rows[0].ratio == pytest.approx(1, abs=0.02)
    assert by_share.rows[0].new / by_share.rows[0].base == pytest.approx(1.3, abs=0.03)


def test_compare_by_share_finds_a_slower_program_on_a_faster_machine() -> None:
    assert two_machines(1 / 1.3, "time", program=1.3).rows[0].verdict == "same"
    assert two_machines(1 / 1.3, "share", program=1.3).rows[0].verdict == "slower"


def test_compare_by_time_warns_about_different_machines() -> None:
    (warning,) = two_machines(1.0, "time").warnings
    assert warning == (
        "the runs are from different machines (A; B), so times do not compare the code alone: use --by share"
    )
    assert not two_machines(1.0, "share").warnings
    assert not compared([1.0] * 3, [1.0] * 3).warnings


def test_compare_by_share_falls_back_to_time_without_a_limit() -> None:
    comparison = two_machines(1.3, "share", limits=False)
    assert (comparison.rows[0].verdict, comparison.rows[0].note) == ("slower", "by time, no limit measured")
    assert "1 of 1 benchmarks have no measured limit" in comparison.warnings[0]


@pytest.mark.parametrize(
    ("base", "new", "ratio", "verdict"),
    [
        (100.0, 121.0, 1.21, "more"),
        (100.0, 109.0, 1.09, "same"),
        (121.0, 100.0, 1 / 1.21, "less"),
        (None, 1.0, None, "same"),
    ],
)
def test_compare_judges_memory_by_its_ratio(base: float | None, new: float, ratio: float | None, verdict: str) -> None:
    rounds = [1.0, 1.01, 0.99]
    comparison = compare(
        run(benchmark(rounds, memory=base)), run(benchmark(rounds, memory=new)), fail_above=1.1, by="time"
    )
    (row,) = comparison.rows
    assert (row.memory_ratio, row.memory, row.verdict) == (pytest.approx(ratio), verdict, "same")
    assert bool(comparison.regressions) == (verdict == "more")


def several() -> Comparison:
    def benchmarks(rounds: Mapping[str, Sequence[float]]) -> list[Benchmark]:
        return [benchmark(seconds, name) for name, seconds in rounds.items()]

    steady, slow = [1.0, 1.01, 0.99], [2.0, 2.01, 1.99]
    base = benchmarks({"test_gone[b]": steady, "test_same[cpu]": steady, "test_slow[red]": steady})
    new = benchmarks({"test_slow[red]": slow, "test_same[cpu]": steady, "test_added[i]": steady, "test_more[i]": slow})
    return compare(run(*base, file="base.json"), run(*new, file="new.json"), fail_above=1.1, by="time")


def test_compare_lists_benchmarks_of_only_one_run() -> None:
    comparison = several()
    assert comparison.only_base == ("test_gone[b]",)
    assert comparison.only_new == ("test_added[i]", "test_more[i]")
    assert [row.name for row in comparison.rows] == ["test_slow[red]", "test_same[cpu]"]
    assert comparison.regressions == ("test_slow[red]",)


@pytest.mark.parametrize(
    "other",
    [
        *({"name": "test_it[b]"}, {"backend": "bf16"}, {"precision": "bf16"}),
        *({"device": "cuda"}, {"width": 128}, {"height": None}),
    ],
    ids=str,
)
def test_compare_matches_benchmarks_by_name_and_parameters(other: dict[str, Any]) -> None:
    base, new = benchmark([1.0] * 3), benchmark([1.0] * 3, **other)
    with pytest.raises(UsageError) as caught:
        compare(run(base, file="base.json"), run(new, file="new.json"), fail_above=1.1, by="time")
    assert str(caught.value) == (
        "base.json and new.json have no benchmark in common: compare runs of the same suites and device"
    )


def test_compare_matches_benchmarks_of_a_renamed_suite() -> None:
    base, new = benchmark([1.0] * 3), benchmark([1.0] * 3, suite="renamed")
    assert len(compare(run(base), run(new), fail_above=1.1, by="time").rows) == 1


@pytest.mark.parametrize("fail_above", [1.0, 0.9, -1.0, math.nan, math.inf])
def test_compare_refuses_a_threshold_that_is_not_above_1(fail_above: float) -> None:
    with pytest.raises(UsageError, match=r"^--fail-above is .*, expected a ratio above 1, such as 1\.1$"):
        compared([1.0] * 3, [1.0] * 3, fail_above)


def test_compare_without_scipy_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    with pytest.raises(StyleTransferError, match="needs scipy, which is not installed: pip install scipy"):
        compared([1.0] * 3, [1.0] * 3)


def test_compare_ignores_a_temporary_slowdown_of_the_machine() -> None:
    """A fifth of the rounds in a row take 1.5 times as long; a test on single rounds would find a difference."""
    generator = np.random.default_rng(7)
    calm = list(generator.normal(1.0, 0.02, 1000))
    disturbed = list(generator.normal(1.0, 0.02, 1000))
    disturbed[300:520] = [1.5 * seconds for seconds in disturbed[300:520]]
    assert verdict(calm, disturbed) == "same"
    assert verdict(calm, [1.3 * seconds for seconds in disturbed]) == "slower"
