"""The launcher returns the status of its process, and prints only its measurement."""

import json
import sys

import pytest

from bench.launch import main

MEBIBYTE = 2**20


def launched(capfd: pytest.CaptureFixture[str], program: str) -> tuple[int, dict[str, float], str]:
    """Return the status, the measurement, and what the process wrote to stderr."""
    status = main(["-c", program])
    printed = capfd.readouterr()
    return status, json.loads(printed.out), printed.err


def test_the_output_of_the_process_is_discarded_and_its_errors_are_shown(capfd: pytest.CaptureFixture[str]) -> None:
    status, usage, errors = launched(capfd, "import sys; print('a result'); sys.stderr.write('a warning')")
    assert (status, errors) == (0, "a warning")
    assert usage.keys() == {"seconds", "peak_memory_bytes"}
    assert 0 < usage["seconds"] < 60
    assert MEBIBYTE < usage["peak_memory_bytes"] < 2**30  # in bytes: an interpreter takes about 10 MiB


def test_the_status_of_the_process_is_returned(capfd: pytest.CaptureFixture[str]) -> None:
    assert launched(capfd, "raise SystemExit(3)")[0] == 3


@pytest.mark.skipif(sys.platform == "win32", reason="has no signals")
def test_a_process_that_a_signal_ends_has_a_negative_status(capfd: pytest.CaptureFixture[str]) -> None:
    assert launched(capfd, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")[0] == -9
