"""The figures of a benchmark, and the types of the fixtures that measure it."""

from collections.abc import Callable
from typing import Any

import pytest

from bench.machine import available_devices, describe_machine, matmul_rate

WriteImages = Callable[[int, int], list[str]]
"""Writes a content and a style image of a width and height, and returns the command-line options that name them."""

Measure = Callable[..., None]
"""Measures one case: `measure(case, rounds=None)`."""


def require_device(device: str) -> None:
    """Skip the test if this machine lacks the device."""
    if device not in available_devices():
        pytest.skip(f"this machine has no {device} device")


def record_figures(benchmark: Any, **figures: Any) -> None:
    """Write the figures of a benchmark, and the rates derived from its median round, into its `extra_info`.

    `bench.results.Figures` lists the fields. No rates are derived with `--benchmark-disable`.
    """
    machine = describe_machine()
    benchmark.extra_info.update(figures, machine=machine.name, versions=machine.versions)
    if benchmark.stats is None or "width" not in figures:
        return
    rate = figures["evaluations"] / benchmark.stats.stats.median
    benchmark.extra_info["evaluations_per_second"] = rate
    benchmark.extra_info["megapixel_evaluations_per_second"] = rate * figures["width"] * figures["height"] / 1e6
    if figures.get("flop"):
        limit = matmul_rate(figures["device"], figures["precision"])
        benchmark.extra_info["limit_flop_per_second"] = limit
        benchmark.extra_info["share_of_limit"] = figures["flop"] * rate / limit
