"""How much memory the machine has to give, and giving back what is not needed. Without PyTorch."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

# Of a memory controller: its folder, the files with its limit and its use, and what its statistics call the pages of
# files that it can drop at any time.
_CGROUP_1 = ("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_CGROUP_2 = ("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file")


def host_memory(root: Path = Path("/")) -> float:
    """Bytes that this process may take in all, those it has included; infinite where the system does not tell.

    What is free by /proc/meminfo, or less where a control group, such as a container's, allows less. Elsewhere
    than on Linux half of the memory there is: how much is free would change from one moment to the next.
    `root` is where the file system starts.
    """
    try:
        available = _field(root / "proc/meminfo", "MemAvailable:") * 1024
    except (OSError, ValueError):
        return _physical_memory() / 2
    return min([available, *_cgroup_rooms(root)]) + _resident(root)


def _field(path: Path, name: str) -> int:
    """The number after `name` in a file with a line for each; ValueError where there is none."""
    for line in path.read_text().splitlines():
        if line.startswith(f"{name} ") or line.startswith(f"{name}\t"):
            return int(line.split()[1])
    raise ValueError(name)


def _cgroup_rooms(root: Path) -> Iterator[float]:
    """What the control groups of this process, and those around them, still allow."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        folder, *names = _CGROUP_1 if controllers else _CGROUP_2
        # Inside a container the path may be that outside, where only its last part, the top, can be seen.
        group = Path(path.lstrip("/"))
        for inner in (group, *group.parents):
            try:
                yield _room(root / folder / inner, *names)
            except (OSError, ValueError):  # no such group here, or it has no limit
                continue


def _room(group: Path, limit: str, usage: str, droppable: str) -> float:
    allowed = int((group / limit).read_text())  # "max" is no number
    return allowed - int((group / usage).read_text()) + _field(group / "memory.stat", droppable)


def _resident(root: Path) -> int:
    return int((root / "proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _physical_memory() -> float:
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return math.inf
