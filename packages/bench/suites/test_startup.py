"""Start-up time of commands and imports, each in a fresh process."""

from pathlib import Path
from typing import Any

import pytest

from bench.suites.figures import WriteImages, record_figures, require_device
from bench.suites.peak_memory import run_process

pytestmark = pytest.mark.small
ROUNDS = 3


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("help", ["-m", "core.transfer", "--help"]),
        ("import-core", ["-c", "import core"]),
        ("import-torch", ["-c", "import torch"]),
    ],
)
def test_startup(benchmark: Any, command: str, arguments: list[str]) -> None:
    """Measure `--help` and imports; the import of torch alone is the lower limit of a run."""
    _measure(benchmark, command, "cpu", arguments)


def test_first_evaluation(benchmark: Any, write_images: WriteImages, tmp_path: Path, device: str) -> None:
    """Measure a command that writes a result of one evaluation at 64 pixels."""
    require_device(device)
    output = tmp_path / "output.png"
    arguments = ["-m", "core.transfer", *write_images(64, 64), f"--output={output}"]
    _measure(benchmark, "first-evaluation", device, [*arguments, "--iterations=1", f"--device={device}", "--quiet"])
    assert output.stat().st_size > 0


def _measure(benchmark: Any, command: str, device: str, arguments: list[str]) -> None:
    peaks = []
    benchmark.pedantic(lambda: peaks.append(run_process(arguments).peak_memory_bytes), rounds=ROUNDS, warmup_rounds=1)
    record_figures(
        benchmark, suite="startup", backend=command, precision="fp32", device=device, peak_memory_bytes=max(peaks)
    )
