"""Options, markers and fixtures of the benchmark suites.

`pytest packages/bench` runs all suites, `-m "small and not long"` only the benchmarks that take seconds, and
`--device cpu` only those of one device. The options of pytest-benchmark work as well.
"""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from bench.machine import describe_machine, synchronize
from bench.suites.cases import Case, Unavailable, synthetic_image
from bench.suites.figures import Measure, WriteImages, record_figures, require_device
from bench.suites.peak_memory import peak_memory
from bench.suites.workloads import prepare
from core.image.writing import write_image

MARKERS = {
    "small": "image size that takes seconds",
    "medium": "about 512 pixels",
    "large": "1024 pixels and more",
    "long": "takes minutes on a CPU",
}
DEVICES = ("cpu", "cuda")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option `--device`."""
    parser.addoption("--device", choices=("all", *DEVICES), default="all", help="device to measure (default: all)")


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers here, because an installed copy has no pyproject.toml."""
    for name, meaning in MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrize tests with a `device` argument over the devices of `--device`."""
    if "device" in metafunc.fixturenames:
        device = metafunc.config.getoption("device")
        metafunc.parametrize("device", DEVICES if device == "all" else (device,))


def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    """Add our description of the machine to the result file."""
    machine_info["bench"] = msgspec.to_builtins(describe_machine())


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder for exported artifacts, shared by the whole session."""
    return tmp_path_factory.mktemp("artifacts")


@pytest.fixture
def write_images(tmp_path: Path) -> WriteImages:
    """Write a content and a style image of a size, and return the command-line options that name them."""

    def write(width: int, height: int) -> list[str]:
        for kind, seed in (("content", 0), ("style", 1)):
            write_image(tmp_path / f"{kind}.png", synthetic_image(width, height, seed))
        return [f"--{kind}={tmp_path / kind}.png" for kind in ("content", "style")]

    return write


@pytest.fixture
def measure(benchmark: Any, artifacts: Path) -> Measure:
    """Measure one case: prepare the workload, check its output, time it, and record its figures."""

    def measure_case(case: Case, *, rounds: int | None = None) -> None:
        """Measure `case` in `rounds` rounds, or in as many as pytest-benchmark chooses (at least 5)."""
        require_device(case.device)
        try:
            workload = prepare(case, artifacts)
        except Unavailable as reason:
            pytest.skip(str(reason))

        def timed() -> Any:
            result = workload.call()
            synchronize(case.device)
            return result

        # A fresh process measures the peak before this process allocates the memory of the case.
        peak = peak_memory(case, artifacts) if case.device == "cpu" else None
        workload.check(timed())
        _reset_peak(case.device)
        workload.check(benchmark.pedantic(timed, rounds=rounds) if rounds else benchmark(timed))
        record_figures(
            benchmark,
            suite=case.suite,
            backend=case.backend,
            precision=workload.precision,
            device=case.device,
            width=case.width,
            height=case.height,
            evaluations=workload.evaluations,
            flop=workload.flop,
            peak_memory_bytes=_device_peak(case) if case.device == "cuda" else peak,
        )

    return measure_case


def _reset_peak(device: str) -> None:
    if device == "cuda":
        import torch

        torch.cuda.reset_peak_memory_stats()


def _device_peak(case: Case) -> int | None:
    """Return the peak of PyTorch's CUDA allocator; None for ONNX Runtime, which has an allocator of its own."""
    import torch

    return None if case.backend == "onnxruntime" else torch.cuda.max_memory_allocated()
