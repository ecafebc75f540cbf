"""Write files atomically, check in advance that they can be written, and compute checksums."""

import hashlib
import os
import stat
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from core.errors import StyleTransferError, UsageError


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path` that replaces it when the block ends and is removed if the block fails.

    Another program that opens `path` reads the complete old file or the complete new one. The temporary file has the
    suffix of `path`, a hidden name and default permissions. Missing folders are created. If `path` is a symbolic link,
    its target is replaced.

    Raises:
        StyleTransferError: `path` is not a file, or the system or an encoder raised `OSError`, such as for a full disk.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{uuid.uuid4().hex}{target.suffix}")
    if target.exists() and not target.is_file():
        raise StyleTransferError(f"{path} is a folder or a device, not a file: choose another name")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch(exist_ok=False)  # tempfile would make it readable by its owner only
        yield temporary
        temporary.replace(target)
    except OSError as error:
        raise StyleTransferError(
            f"cannot write {path}: {reason(error)}; free some space or choose another folder"
        ) from error
    finally:
        _remove(temporary)


def check_writable(path: str | os.PathLike[str], *, inputs: Sequence[object] = ()) -> Path:
    """Check that a file can be written at `path`, without leaving a file behind, and return it as a `Path`.

    Args:
        path: The file; neither the file nor its folder needs to exist.
        inputs: Files that must not be overwritten; elements that are not paths are ignored.

    Raises:
        UsageError: `path` is a folder, a device or one of `inputs`, or its folder cannot be created or written to.
    """
    path = Path(path)
    target = Path(os.path.realpath(path))
    try:
        if target.is_dir():
            raise UsageError(f"{path} is a folder: name a file in it")
        for other in inputs:
            if isinstance(other, str | os.PathLike) and _same_file(target, Path(other)):
                raise UsageError(
                    f"refusing to overwrite {path}, which this run also reads or writes: choose another name"
                )
        if target.exists():
            _try_existing(path, target)
        ancestor = next(folder for folder in target.parents if folder.exists())
        if not ancestor.is_dir():
            raise UsageError(f"cannot write {path}: {ancestor} is a file, not a folder; choose another folder")
        # Checking permissions is not enough: root has all of them, and the file system may be mounted read-only.
        with tempfile.NamedTemporaryFile(dir=ancestor, prefix="."):
            pass
    except OSError as error:
        raise UsageError(f"cannot write {path}: {reason(error)}; choose another folder") from error
    return path


def check_regular(path: str | os.PathLike[str], name: str) -> None:
    """Check before reading an input that it is a regular file, if it exists.

    Opening a FIFO waits for its writer, and a device may be read without end.

    Args:
        path: The file.
        name: Kind and path of the file in the error message.

    Raises:
        UsageError: `path` is a folder, a FIFO, a device or a socket.
    """
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError):  # opening it fails as well, with a message for its kind
        return
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a FIFO" if stat.S_ISFIFO(mode) else "a device or a socket"
        raise UsageError(f"{name} is not a regular file but {kind}: name a file")


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def reason(error: OSError) -> str:
    """Return the message of the operating system, without the error number and the path that `str` would add."""
    return error.strerror or str(error)


def _try_existing(path: Path, target: Path) -> None:
    if not target.is_file():
        raise UsageError(f"{path} is a device, not a file: choose another name")
    with target.open("ab"):  # replacing would succeed for a write-protected file
        pass


def _same_file(target: Path, other: Path) -> bool:
    if target.exists() and other.exists():
        return target.samefile(other)  # also true for hard links
    return target == Path(os.path.realpath(other))


def _remove(temporary: Path) -> None:
    with suppress(OSError):  # must not hide the error that ended the block
        temporary.unlink(missing_ok=True)
