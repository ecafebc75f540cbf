"""How much memory of the host this process can use. Without PyTorch."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

# A memory controller: its folder, the files of its limit and its usage, and the entry of memory.stat with the page
# cache that the kernel can drop at any time.
_CGROUP_1 = ("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_CGROUP_2 = ("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file")


def host_memory(root: Path = Path("/")) -> float:
    """Return the bytes that this process can use, including those it uses already; infinite if unknown.

    On Linux that is the available memory of /proc/meminfo, or less if a control group (such as a container's) has a
    lower limit. On other systems it is half of the physical memory: the available memory changes from one moment to the
    next. `root` is the root of the file system.
    """
    try:
        available = _entry(root / "proc/meminfo", "MemAvailable:") * 1024
    except (OSError, ValueError):
        return _physical_memory() / 2
    return min([available, *_cgroup_headroom(root)]) + _resident(root)


def _entry(path: Path, name: str) -> int:
    """Return the number after `name` in a file of "name number" lines; raise ValueError if there is none."""
    for line in path.read_text().splitlines():
        if line.startswith(f"{name} ") or line.startswith(f"{name}\t"):
            return int(line.split()[1])
    raise ValueError(name)


def _cgroup_headroom(root: Path) -> Iterator[float]:
    """Yield the bytes that each control group of this process, and each parent of it, still allows."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        folder, *names = _CGROUP_1 if controllers else _CGROUP_2
        # Inside a container the path may be the one outside, of which only the top can be read.
        group = Path(path.lstrip("/"))
        for inner in (group, *group.parents):
            try:
                yield _headroom(root / folder / inner, *names)
            except (OSError, ValueError):  # there is no such group, or it has no limit
                continue


def _headroom(group: Path, limit: str, usage: str, droppable: str) -> float:
    allowed = int((group / limit).read_text())  # raises ValueError for "max"
    return allowed - int((group / usage).read_text()) + _entry(group / "memory.stat", droppable)


def _resident(root: Path) -> int:
    return int((root / "proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _physical_memory() -> float:
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return math.inf
