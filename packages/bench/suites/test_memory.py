"""Peak memory of a painting by its size: the command in a fresh process, run until the optimiser's memory is full."""

from pathlib import Path
from typing import Any

import pytest

from bench.conftest import Pictures, note
from bench.memory import run_process
from bench.suites.cases import CONFIG
from core.memory.plan import estimate_memory

EVALUATIONS = CONFIG.history + 4


@pytest.mark.parametrize(
    "size",
    [
        pytest.param(128, marks=pytest.mark.small),
        pytest.param(256, marks=[pytest.mark.medium]),
        pytest.param(512, marks=[pytest.mark.medium, pytest.mark.long]),
        pytest.param(1024, marks=[pytest.mark.large, pytest.mark.long]),
    ],
)
def test_memory(benchmark: Any, pictures: Pictures, tmp_path: Path, size: int) -> None:
    """Of the default run at one scale, beside what `--dry-run` says it will be."""
    arguments = [
        "-m",
        "core.transfer",
        *pictures(size, size),
        f"--image-size={size}",
        "--scales=1",
        "--device=cpu",
        "--precision=fp32",
    ]
    arguments += [f"--iterations={EVALUATIONS}", "--quiet", f"--output={tmp_path / 'painting.png'}"]
    peaks = []
    benchmark.pedantic(lambda: peaks.append(run_process(arguments).peak_memory_bytes), rounds=1)
    note(
        benchmark,
        suite="memory",
        backend="transfer",
        precision="fp32",
        device="cpu",
        width=size,
        height=size,
        evaluations=EVALUATIONS,
        peak_memory_bytes=max(peaks),
        estimated_memory_bytes=estimate_memory((size, size), CONFIG),
    )
