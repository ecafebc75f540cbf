"""The launcher returns the status of its process, and prints only its measurement."""

import json
import signal
import subprocess
import sys

import pytest

MEBIBYTE = 2**20


def launch(program: str) -> subprocess.CompletedProcess[str]:
    """Launch Python in a process of its own: within this one its peak would be that of all tests so far."""
    command = [sys.executable, "-m", "bench.launch", "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_output_of_the_process_is_discarded_and_its_errors_are_shown() -> None:
    launched = launch("import sys; print('a result'); sys.stderr.write('a warning')")
    usage = json.loads(launched.stdout)
    assert (launched.returncode, launched.stderr) == (0, "a warning")
    assert usage.keys() == {"seconds", "peak_memory_bytes"}
    assert 0 < usage["seconds"] < 60
    assert MEBIBYTE < usage["peak_memory_bytes"] < 2**30  # in bytes: an interpreter takes about 10 MiB


@pytest.mark.parametrize(
    ("program", "status"),
    [
        ("raise SystemExit(3)", 3),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL % 256),
    ],
)
def test_a_process_that_fails_is_measured_and_its_status_is_returned(program: str, status: int) -> None:
    launched = launch(program)
    assert launched.returncode == status
    assert json.loads(launched.stdout)["seconds"] > 0
