"""Temporary folders that a later program removes if the program that uses them is killed."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

if sys.platform != "win32":
    import fcntl

HIDDEN_PREFIX = ".style-transfer-"
"""Start of the name of a temporary folder beside a file that is being written."""


@contextmanager
def temporary_folder(parent: Path, prefix: str = HIDDEN_PREFIX) -> Iterator[Path]:
    """Yield a new folder in `parent`, which is removed with its files when the block ends.

    Folders with this prefix that killed programs of the same user have left in `parent` are removed first. A folder in
    use is locked, and the operating system releases the lock when its program ends. Where folders cannot be locked, on
    Windows and on some network file systems, none are removed.

    Raises:
        OSError: The folder cannot be created.
    """
    _remove_abandoned(parent, prefix)
    folder, descriptor = _create_locked(parent, prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if descriptor is not None:
            os.close(descriptor)


def _create_locked(parent: Path, prefix: str) -> tuple[Path, int | None]:
    """Return a new folder, and the descriptor that holds its lock until it is closed."""
    if sys.platform == "win32":
        return Path(tempfile.mkdtemp(prefix=prefix, dir=parent)), None
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        with suppress(FileNotFoundError):
            descriptor = os.open(folder, os.O_RDONLY)
            # Another program may have found and removed the folder before it was locked.
            if _lock(descriptor) is not False and folder.exists():
                return folder, descriptor
            os.close(descriptor)


def _remove_abandoned(parent: Path, prefix: str) -> None:
    """Remove the folders of this user in `parent` that no program has locked; skip those that cannot be removed."""
    if sys.platform == "win32":
        return
    with suppress(OSError):
        for folder in [entry for entry in parent.iterdir() if entry.name.startswith(prefix)]:
            with suppress(OSError):
                descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
                try:
                    if os.fstat(descriptor).st_uid == os.getuid() and _lock(descriptor):
                        shutil.rmtree(folder, ignore_errors=True)
                finally:
                    os.close(descriptor)


def _lock(descriptor: int) -> bool | None:
    """Lock a folder; return False if another program has locked it, None if the file system has no such locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True
