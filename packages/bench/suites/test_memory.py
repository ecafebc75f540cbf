"""Peak memory of a run by image size, in a fresh process, with enough evaluations to fill the optimiser's history."""

from pathlib import Path
from typing import Any

import pytest

from bench.suites.cases import CONFIG
from bench.suites.figures import WriteImages, record_figures
from bench.suites.peak_memory import run_process
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
def test_memory(benchmark: Any, write_images: WriteImages, tmp_path: Path, size: int) -> None:
    """Measure the default run at one scale, and record the estimate of `--dry-run` beside it."""
    arguments = [
        "-m",
        "core.transfer",
        *write_images(size, size),
        f"--image-size={size}",
        "--scales=1",
        "--device=cpu",
        "--precision=fp32",
        f"--iterations={EVALUATIONS}",
        "--quiet",
        f"--output={tmp_path / 'output.png'}",
    ]
    peaks = []
    benchmark.pedantic(lambda: peaks.append(run_process(arguments).peak_memory_bytes), rounds=1)
    record_figures(
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
