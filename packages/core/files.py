"""Files that appear whole or not at all, and the check, before minutes of work, that they can be written."""

import hashlib
import os
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from core.errors import StyleTransferError, UsageError


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary file beside `path`, renamed onto it once the block ends, and removed if the block fails.

    Whoever looks at `path` sees the old file or the new one, never half of one. The temporary file has the
    same ending, a hidden name and the permissions of any new file. Missing folders are made, links kept.

    Raises:
        StyleTransferError: An `OSError` came up: no space, no permission, an encoder that gave up.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{uuid.uuid4().hex}{target.suffix}")
    if target.exists() and not target.is_file():
        raise StyleTransferError(f"{path} is a folder or a device, not a file: choose another name")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch(exist_ok=False)  # unlike the files of tempfile, which only their owner may read
        yield temporary
        temporary.replace(target)
    except OSError as error:
        raise StyleTransferError(
            f"cannot write {path}: {reason(error)}; free some space or choose another folder"
        ) from error
    finally:
        _remove(temporary)


def check_writable(path: str | os.PathLike[str], *, inputs: Sequence[object] = ()) -> Path:
    """Try whether a file can be written at `path`, and leave no trace of having tried.

    Args:
        path: The file to be written; neither it nor its folder needs to exist.
        inputs: What must not be overwritten. Those that are paths count.

    Raises:
        UsageError: It is a folder or one of `inputs`, or its folder cannot be made or written to.
    """
    path = Path(path)
    target = Path(os.path.realpath(path))
    try:
        if target.is_dir():
            raise UsageError(f"{path} is a folder: name a file in it")
        for other in inputs:
            if isinstance(other, str | os.PathLike) and _same_file(target, Path(other)):
                raise UsageError(f"{path} is another file of this run, which would be lost: choose another name")
        if target.exists():
            _try_existing(path, target)
        ancestor = next(folder for folder in target.parents if folder.exists())
        if not ancestor.is_dir():
            raise UsageError(f"cannot write {path}: {ancestor} is a file, not a folder; choose another folder")
        # Permissions alone do not tell: root passes every check, and then the disk is mounted read-only.
        with tempfile.NamedTemporaryFile(dir=ancestor, prefix="."):
            pass
    except OSError as error:
        raise UsageError(f"cannot write {path}: {reason(error)}; choose another folder") from error
    return path


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def reason(error: OSError) -> str:
    """What the system said, without the number and the path that Python puts around it."""
    return error.strerror or str(error)


def _try_existing(path: Path, target: Path) -> None:
    if not target.is_file():
        raise UsageError(f"{path} is a device, not a file: choose another name")
    with target.open("ab"):  # a renaming would not respect a file that is write-protected
        pass


def _same_file(target: Path, other: Path) -> bool:
    if target.exists() and other.exists():
        return target.samefile(other)  # through hard links as well
    return target == Path(os.path.realpath(other))


def _remove(temporary: Path) -> None:
    with suppress(OSError):  # what went wrong before is the better message
        temporary.unlink(missing_ok=True)
