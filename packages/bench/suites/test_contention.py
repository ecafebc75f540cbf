"""Time of a run beside other programs that use the same cores. Everything runs in fresh processes."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from bench.suites.figures import WriteImages, record_figures
from bench.suites.peak_memory import run_process

SIZE = 256
EVALUATIONS = 10
ROUNDS = 2


@pytest.mark.small
@pytest.mark.parametrize("beside", ["nothing", "busy-process", "other-run"])
def test_contention(benchmark: Any, write_images: WriteImages, tmp_path: Path, beside: str) -> None:
    """Measure a run alone, beside a process that keeps one core busy, and beside a second run without end."""
    images = write_images(SIZE, SIZE)

    def run(name: str, evaluations: int) -> list[str]:
        options = [f"--image-size={SIZE}", "--scales=1", "--device=cpu", f"--iterations={evaluations}", "--quiet"]
        return ["-m", "core.transfer", *images, *options, f"--output={tmp_path / name}.png"]

    others = {"nothing": [], "busy-process": [["-c", "while True: pass"]], "other-run": [run("other", 10**6)]}
    measured, peaks = run("measured", EVALUATIONS), []
    with ExitStack() as running:
        for arguments in others[beside]:
            running.enter_context(_in_background(arguments))
        benchmark.pedantic(lambda: peaks.append(run_process(measured).peak_memory_bytes), rounds=ROUNDS)
    record_figures(
        benchmark,
        suite="contention",
        backend=f"beside-{beside}",
        precision="auto",
        device="cpu",
        width=SIZE,
        height=SIZE,
        evaluations=EVALUATIONS,
        peak_memory_bytes=max(peaks),
    )


@contextmanager
def _in_background(arguments: list[str]) -> Iterator[None]:
    """Run this Python with `arguments` until the end of the context, and then kill it."""
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
        if process.poll() is not None:
            raise RuntimeError(f"python {' '.join(arguments)} ended early with status {process.returncode}")
    finally:
        process.kill()
        process.wait()
