"""What a user waits for before anything is painted, each in a fresh process."""

from pathlib import Path
from typing import Any

import pytest

from bench.conftest import Pictures, note, require_device
from bench.memory import run_process

pytestmark = pytest.mark.small
ROUNDS = 3


@pytest.mark.parametrize(
    ("what", "arguments"),
    [
        ("help", ["-m", "core.transfer", "--help"]),
        ("import-core", ["-c", "import core"]),
        ("import-torch", ["-c", "import torch"]),
    ],
)
def test_startup(benchmark: Any, what: str, arguments: list[str]) -> None:
    """From the shell to an answer; importing torch alone is there to compare with."""
    _measure(benchmark, what, "cpu", arguments)


def test_first_evaluation(benchmark: Any, pictures: Pictures, tmp_path: Path, device: str) -> None:
    """From the shell to a painting of one evaluation at 64 pixels."""
    require_device(device)
    painting = tmp_path / "painting.png"
    arguments = ["-m", "core.transfer", *pictures(64, 64), f"--output={painting}"]
    _measure(benchmark, "first-evaluation", device, [*arguments, "--iterations=1", f"--device={device}", "--quiet"])
    assert painting.stat().st_size > 0


def _measure(benchmark: Any, what: str, device: str, arguments: list[str]) -> None:
    peaks = []
    benchmark.pedantic(lambda: peaks.append(run_process(arguments).peak_memory_bytes), rounds=ROUNDS, warmup_rounds=1)
    note(benchmark, suite="startup", backend=what, precision="fp32", device=device, peak_memory_bytes=max(peaks))
