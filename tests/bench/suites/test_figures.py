"""The figures of a benchmark, derived from a known median and a known limit."""

from types import SimpleNamespace
from typing import Any

import pytest

from bench.suites.figures import record_figures, require_device

IMAGE = {"device": "cpu", "precision": "fp32", "width": 500, "height": 400, "evaluations": 3}


def benchmark_of(median: float | None) -> Any:
    stats = None if median is None else SimpleNamespace(stats=SimpleNamespace(median=median))
    return SimpleNamespace(stats=stats, extra_info={})


@pytest.fixture(autouse=True)
def known_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.suites.figures.matmul_rate", lambda device, precision: 2e9)


def test_rates_follow_from_the_median_round() -> None:
    benchmark = benchmark_of(1.5)
    record_figures(benchmark, **IMAGE, flop=4e8)
    figures = benchmark.extra_info
    assert figures["evaluations_per_second"] == pytest.approx(2)
    assert figures["megapixel_evaluations_per_second"] == pytest.approx(0.4)
    assert figures["limit_flop_per_second"] == 2e9
    assert figures["share_of_limit"] == pytest.approx(0.4)
    assert figures["machine"]
    assert "torch" in figures["versions"]


@pytest.mark.parametrize(
    ("median", "given", "absent"),
    [
        (None, IMAGE | {"flop": 4e8}, "evaluations_per_second"),  # with --benchmark-disable
        (1.5, {"suite": "startup"}, "evaluations_per_second"),  # without an image
        (1.5, IMAGE | {"flop": None}, "share_of_limit"),  # arithmetic does not limit the speed
    ],
)
def test_rates_without_a_basis_are_left_out(median: float | None, given: dict[str, Any], absent: str) -> None:
    benchmark = benchmark_of(median)
    record_figures(benchmark, **given)
    assert absent not in benchmark.extra_info
    assert given.items() <= benchmark.extra_info.items()


def test_a_missing_device_skips_the_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.suites.figures.available_devices", lambda: ("cpu",))
    require_device("cpu")
    with pytest.raises(pytest.skip.Exception, match="this machine has no cuda device"):
        require_device("cuda")
