"""What the suites share: devices and sizes, and how a workload is checked, timed and annotated.

`pytest packages/bench` runs them all; `-m "small and not long"` those that take seconds, `--device cpu` those of one
device. pytest-benchmark's own options (`--benchmark-json`, `--benchmark-min-rounds` …) work as everywhere.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.machine import describe_machine, devices, product_rate, synchronise
from bench.memory import peak_memory
from bench.suites.cases import Case, Unavailable, picture
from bench.suites.workloads import prepare
from core.image.writing import write_image

SIZES = {"small": "a size that takes seconds", "medium": "512 pixels or so", "large": "1024 pixels and more"}
LENGTHS = {"long": "minutes on a CPU"}
DEVICES = ("cpu", "cuda")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--device`."""
    parser.addoption(
        "--device", choices=("all", *DEVICES), default="all", help="where to measure (default: everywhere)"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, also where the project's own configuration is out of sight."""
    for name, meaning in (SIZES | LENGTHS).items():
        config.addinivalue_line("markers", f"{name}: {meaning}")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what takes a `device` on each that was asked for; without a GPU those of CUDA say so and are skipped."""
    if "device" in metafunc.fixturenames:
        asked = metafunc.config.getoption("device")
        metafunc.parametrize("device", DEVICES if asked == "all" else (asked,))


def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    """Say what the limits are judged by."""
    machine_info["bench"] = describe_machine()


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where exported files are kept for this session."""
    return tmp_path_factory.mktemp("artifacts")


@pytest.fixture
def pictures(tmp_path: Path) -> "Pictures":
    """Writes content and style of a size, and returns the options that name them."""

    def write(width: int, height: int) -> list[str]:
        for kind, seed in (("content", 0), ("style", 1)):
            write_image(tmp_path / f"{kind}.png", picture(width, height, seed))
        return [f"--{kind}={tmp_path / kind}.png" for kind in ("content", "style")]

    return write


def require_device(device: str) -> None:
    """Skip, with the reason, where there is no such device."""
    if device not in devices():
        pytest.skip(f"this machine has no {device} device")


Pictures = Callable[[int, int], list[str]]
Measure = Callable[..., None]


@pytest.fixture
def measure(benchmark: Any, artifacts: Path) -> Iterator[Measure]:
    """Time a case: made ready, done once and checked, then timed, and its figures noted.

    `rounds` is how many times; left out, pytest-benchmark's own choice (at least 5).
    """

    def run(case: Case, *, rounds: int | None = None) -> None:
        require_device(case.device)
        try:
            work = prepare(case, artifacts)
        except Unavailable as reason:
            pytest.skip(str(reason))

        def timed() -> Any:
            result = work.call()
            synchronise(case.device)
            return result

        # In a process of its own, so now: later this one holds what the case takes.
        peak = peak_memory(case, artifacts) if case.device == "cpu" else None
        work.check(timed())
        _forget_peak(case.device)
        work.check(benchmark.pedantic(timed, rounds=rounds) if rounds else benchmark(timed))
        note(
            benchmark,
            suite=case.suite,
            backend=case.backend,
            precision=work.precision,
            device=case.device,
            width=case.width,
            height=case.height,
            evaluations=work.evaluations,
            flop=work.flop,
            peak_memory_bytes=_device_peak(case) if case.device == "cuda" else peak,
        )

    yield run


def note(benchmark: Any, **figures: Any) -> None:
    """Write the figures of a measured benchmark into its `extra_info`, with those that follow from them.

    Speeds are of the median round. Nothing is derived where pytest-benchmark was told not to time.
    """
    described = describe_machine()
    benchmark.extra_info.update(figures, machine=described["name"], versions=described["versions"])
    if benchmark.stats is None or "width" not in figures:
        return
    a_second = figures["evaluations"] / benchmark.stats.stats.median
    benchmark.extra_info["evaluations_per_second"] = a_second
    benchmark.extra_info["megapixel_evaluations_per_second"] = a_second * figures["width"] * figures["height"] / 1e6
    if figures.get("flop"):
        limit = product_rate(figures["device"], figures["precision"])
        benchmark.extra_info["limit_flop_per_second"] = limit
        benchmark.extra_info["share_of_limit"] = figures["flop"] * a_second / limit


def _forget_peak(device: str) -> None:
    if device == "cuda":
        import torch

        torch.cuda.reset_peak_memory_stats()


def _device_peak(case: Case) -> int | None:
    """What PyTorch allocated on the device, None for what it did not allocate itself."""
    import torch

    return None if case.backend == "onnxruntime" else torch.cuda.max_memory_allocated()
