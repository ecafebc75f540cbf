"""Files that are slow to write and shared by all tests of a session, including those of parallel workers."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock  # a dependency of torch


def shared_file(factory: pytest.TempPathFactory, name: str, write: Callable[[Path], object]) -> Path:
    """Return the path of the file `name`, which the first caller in the session writes: do not change the file."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    folder.mkdir(exist_ok=True)
    path = folder / name
    with FileLock(folder / f"{name}.lock"):
        if not path.exists():
            write(path)
    return path
