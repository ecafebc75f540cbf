"""The memory of fresh processes, against what they are known to take."""

from pathlib import Path

import pytest

from bench.memory import peak_memory, run_process
from bench.suites.cases import Case
from core.errors import StyleTransferError

MEBIBYTE = 2**20


def test_the_peak_is_that_of_the_process_even_after_it_has_let_go() -> None:
    empty = run_process(["-c", "pass"]).peak_memory_bytes
    filled = run_process(["-c", "held = bytes([1]) * 200_000_000; del held"]).peak_memory_bytes
    assert 150 * MEBIBYTE < filled - empty < 250 * MEBIBYTE


def test_the_time_is_that_of_the_process() -> None:
    assert run_process(["-c", "import time; time.sleep(0.5)"]).seconds >= 0.5


def test_a_process_that_fails_is_told_with_its_last_line() -> None:
    with pytest.raises(StyleTransferError, match=r"ended with 3: out of paint$"):
        run_process(["-c", "import sys; sys.stderr.write('a line\\nout of paint\\n'); sys.exit(3)"])


def test_a_workload_takes_more_on_a_larger_picture(tmp_path: Path) -> None:
    """By at least what 32-bit features of the first two ReLUs take, 64 channels each, kept for the gradient."""
    small, large = (peak_memory(Case("objective", "eager", "cpu", side, side), tmp_path) for side in (64, 384))
    assert large - small > 2 * 64 * 4 * (384**2 - 64**2)
