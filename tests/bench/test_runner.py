"""Options of the runner that need no run."""

from pathlib import Path

import pytest

from bench.machine import available_devices
from bench.runner import SUITES, run_suites
from core.errors import StyleTransferError, UsageError


def test_suites_are_the_files_of_the_package() -> None:
    assert set(SUITES) == {
        "extractor",
        "objective",
        "optimizer",
        "transfer",
        "startup",
        "memory",
        "growth",
        "contention",
    }


def test_run_suites_refuses_an_unknown_suite(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no suite 'speed': expected one of contention, extractor"):
        run_suites(tmp_path / "results.json", length="quick", device="cpu", suite="speed")


@pytest.mark.skipif("cuda" in available_devices(), reason="this machine has a CUDA device")
def test_run_suites_refuses_a_device_that_the_machine_lacks(tmp_path: Path) -> None:
    with pytest.raises(StyleTransferError, match=r"^PyTorch finds no cuda device on this machine"):
        run_suites(tmp_path / "results.json", length="quick", device="cuda", suite=None)
