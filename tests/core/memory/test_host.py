"""What the kernel's files say, on file systems made up for it, and on the machine that runs the test."""

import math
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from core.memory import host as free_memory
from core.memory.allocator import trim_heap
from core.memory.host import host_memory

GIB = 2**30
HELD = 1000 * os.sysconf("SC_PAGE_SIZE")
MEMINFO = f"MemTotal: {64 * GIB // 1024} kB\nMemFree: 5 kB\nMemAvailable: {8 * GIB // 1024} kB\n"


def machine(root: Path, files: Mapping[str, str]) -> Path:
    """A file system on which 8 GiB are free and this process holds 1000 pages, with more files."""
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


def test_what_is_free_and_what_this_process_holds(tmp_path: Path) -> None:
    assert host_memory(machine(tmp_path, {})) == 8 * GIB + HELD


@pytest.mark.parametrize(
    ("path", "folder"),
    [
        ("/job", "sys/fs/cgroup/job"),
        ("/outer/job", "sys/fs/cgroup/outer"),  # an outer group's limit counts too
        ("/system/docker-1", "sys/fs/cgroup"),  # in a container: the path is that outside
    ],
)
def test_a_control_group_that_allows_less(tmp_path: Path, path: str, folder: str) -> None:
    files = {"proc/self/cgroup": f"0::{path}\n"} | group_2(folder, str(3 * GIB), 2 * GIB, GIB // 2)
    assert host_memory(machine(tmp_path, files)) == 1.5 * GIB + HELD


def test_a_control_group_of_the_first_version(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "5:devices:/\n4:memory:/job\n0::/\n"}
    files |= group_1("sys/fs/cgroup/memory/job", 2 * GIB, GIB, 0)
    assert host_memory(machine(tmp_path, files)) == GIB + HELD


@pytest.mark.parametrize("allowed", ["max", str(2**63 - 4096)])
def test_a_control_group_without_a_limit(tmp_path: Path, allowed: str) -> None:
    files = {"proc/self/cgroup": "0::/job\n"} | group_2("sys/fs/cgroup/job", allowed, 2 * GIB, 0)
    assert host_memory(machine(tmp_path, files)) == 8 * GIB + HELD


def test_elsewhere_half_of_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"SC_PHYS_PAGES": 16 * 2**20, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(free_memory.os, "sysconf", there.__getitem__)
    assert host_memory(tmp_path) == 32 * GIB


def test_unknown_is_without_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(free_memory.os, "sysconf")
    assert host_memory(tmp_path) == math.inf


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_on_this_machine_between_nothing_and_all_there_is() -> None:
    assert 0 < host_memory() <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * 1.01 + HELD


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="what glibc keeps")
def test_gaps_are_given_back() -> None:
    blocks = [bytes([1]) * 100_000 for _ in range(2000)]
    blocks = blocks[-1:]  # which lies behind the others
    before = resident()
    trim_heap()
    assert before - resident() > 100_000_000
    assert len(blocks) == 1


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told to keep memory")
def test_freed_memory_is_kept_in_the_block_and_given_back_after() -> None:
    """In a process of its own, in pages that the process holds: 64 MB, more than glibc keeps by itself."""
    code = """
import os
from core.memory.allocator import RETAIN_FREED, trim_heap

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20

def rise():
    before = resident()
    pointer = malloc(64 << 20)
    ctypes.memset(pointer, 1, 64 << 20)
    free(pointer)
    return resident() - before

import ctypes
library = ctypes.CDLL(None)
malloc, free = library.malloc, library.free
malloc.restype, malloc.argtypes, free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
rises = [rise()]
with RETAIN_FREED:
    with RETAIN_FREED:
        rises.append(rise())
    rises.append(rise())
trim_heap()
rises.append(rise())
print(*rises)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, first, second, after = map(int, ran.stdout.split())
    assert before < 8
    assert first > 56
    assert second < 8  # in the pages of the first
    assert after < 8
