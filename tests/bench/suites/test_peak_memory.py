"""Wall time and peak memory of fresh processes, against known amounts."""

from pathlib import Path

import pytest

from bench.suites.cases import Case
from bench.suites.peak_memory import peak_memory, run_process
from core.errors import StyleTransferError

MEBIBYTE = 2**20


def test_run_process_returns_the_peak_even_after_memory_is_freed() -> None:
    empty = run_process(["-c", "pass"]).peak_memory_bytes
    filled = run_process(["-c", "held = bytes([1]) * 200_000_000; del held"]).peak_memory_bytes
    assert 150 * MEBIBYTE < filled - empty < 250 * MEBIBYTE


def test_run_process_returns_the_wall_time() -> None:
    assert run_process(["-c", "import time; time.sleep(0.5)"]).seconds >= 0.5


def test_run_process_reports_the_last_line_of_a_process_that_fails() -> None:
    with pytest.raises(StyleTransferError, match=r"exited with status 3: disk is full$"):
        run_process(["-c", "import sys; sys.stderr.write('a line\\ndisk is full\\n'); sys.exit(3)"])


@pytest.mark.slow
def test_peak_memory_grows_with_the_image(tmp_path: Path) -> None:
    """By at least the float32 features of the first two ReLUs, 64 channels each, which are saved for the gradient."""
    small, large = (peak_memory(Case("objective", "eager", "cpu", side, side), tmp_path) for side in (64, 384))
    assert large - small > 2 * 64 * 4 * (384**2 - 64**2)
