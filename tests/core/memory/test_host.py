"""The usable memory of the host, from made-up files of the kernel and on this machine."""

import math
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from core.memory import host
from core.memory.host import host_memory

GIB = 2**30
RESIDENT = 1000 * os.sysconf("SC_PAGE_SIZE")
MEMINFO = f"MemTotal: {64 * GIB // 1024} kB\nMemFree: 5 kB\nMemAvailable: {8 * GIB // 1024} kB\n"


def machine(root: Path, files: Mapping[str, str]) -> Path:
    """Write the files of a machine with 8 GiB available, of which this process uses 1000 pages, and more files."""
    for name, text in ({"proc/meminfo": MEMINFO, "proc/self/statm": "9999 1000 7 1 0 5 0\n"} | files).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def group_2(folder: str, allowed: str, used: int, droppable: int) -> dict[str, str]:
    return {
        f"{folder}/memory.max": f"{allowed}\n",
        f"{folder}/memory.current": f"{used}\n",
        f"{folder}/memory.stat": f"anon 7\ninactive_file {droppable}\n",
    }


def group_1(folder: str, allowed: int, used: int, droppable: int) -> dict[str, str]:
    return {
        f"{folder}/memory.limit_in_bytes": f"{allowed}\n",
        f"{folder}/memory.usage_in_bytes": f"{used}\n",
        f"{folder}/memory.stat": f"inactive_file 1\ntotal_inactive_file {droppable}\n",
    }


def test_available_memory_includes_that_of_this_process(tmp_path: Path) -> None:
    assert host_memory(machine(tmp_path, {})) == 8 * GIB + RESIDENT


@pytest.mark.parametrize(
    ("path", "folder"),
    [
        ("/job", "sys/fs/cgroup/job"),
        ("/outer/job", "sys/fs/cgroup/outer"),  # the limit of a parent group applies too
        ("/system/docker-1", "sys/fs/cgroup"),  # in a container the path is the one outside
    ],
)
def test_a_control_group_with_a_lower_limit(tmp_path: Path, path: str, folder: str) -> None:
    files = {"proc/self/cgroup": f"0::{path}\n"} | group_2(folder, str(3 * GIB), 2 * GIB, GIB // 2)
    assert host_memory(machine(tmp_path, files)) == 1.5 * GIB + RESIDENT


def test_a_control_group_of_the_first_version(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "5:devices:/\n4:memory:/job\n0::/\n"}
    files |= group_1("sys/fs/cgroup/memory/job", 2 * GIB, GIB, 0)
    assert host_memory(machine(tmp_path, files)) == GIB + RESIDENT


@pytest.mark.parametrize("allowed", ["max", str(2**63 - 4096)])
def test_a_control_group_without_a_limit(tmp_path: Path, allowed: str) -> None:
    files = {"proc/self/cgroup": "0::/job\n"} | group_2("sys/fs/cgroup/job", allowed, 2 * GIB, 0)
    assert host_memory(machine(tmp_path, files)) == 8 * GIB + RESIDENT


def test_other_systems_use_half_of_the_physical_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    constants = {"SC_PHYS_PAGES": 16 * 2**20, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(host.os, "sysconf", constants.__getitem__)
    assert host_memory(tmp_path) == 32 * GIB


def test_unknown_memory_is_infinite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(host.os, "sysconf")
    assert host_memory(tmp_path) == math.inf


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_on_this_machine_it_is_at_most_the_physical_memory() -> None:
    assert 0 < host_memory() <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * 1.01 + RESIDENT
