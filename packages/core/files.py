"""Write files atomically, check in advance that they can be written, and compute checksums."""

import errno
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from core.errors import StyleTransferError, UsageError
from core.temporary_folder import temporary_folder


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path that replaces `path` when the block ends and is removed if the block fails.

    Another program that opens `path`, also after a power failure, reads the complete old file or the complete new one.
    The temporary file has the name of `path` and is in a hidden folder beside it, where an encoder may write more
    files; what a killed program left there is removed by the next call (see `temporary_folder`). The new file has
    default permissions. Missing folders are created, and removed if the block fails. If `path` is a symbolic link, its
    target is replaced.

    Raises:
        StyleTransferError: `path` is not a file, or the system or an encoder raised `OSError`, such as for a full disk.
    """
    target = Path(os.path.realpath(path))
    try:
        if target.exists() and not target.is_file():
            raise StyleTransferError(f"{path} is a folder or a device, not a file: choose another name")
        with created(target.parent), temporary_folder(target.parent) as folder:
            temporary = folder / target.name
            temporary.touch()
            permissions = temporary.stat().st_mode
            yield temporary
            if temporary.stat().st_mode != permissions:  # the encoder has replaced the file
                temporary.chmod(stat.S_IMODE(permissions))
            _flush_to_disk(temporary)
            temporary.replace(target)
        with suppress(OSError):  # some file systems cannot flush a folder
            _flush_to_disk(target.parent)
    except OSError as error:
        raise StyleTransferError(_cannot_write(path, error, "free some space or choose another folder")) from error


@contextmanager
def created(folder: Path) -> Iterator[None]:
    """Create a folder and its parents where they are missing, and remove these if the block fails.

    Raises:
        OSError: A folder cannot be created.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for path in missing:
            with suppress(OSError):  # another program may use it by now
                path.rmdir()
        raise


def check_writable(path: str | os.PathLike[str], *, inputs: Sequence[object] = ()) -> Path:
    """Check that `replacing` can write `path`, without leaving a file behind, and return it as a `Path`.

    Args:
        path: The file; neither the file nor its folder needs to exist.
        inputs: Files that must not be overwritten; elements that are not paths are ignored.

    Raises:
        UsageError: `path` is a folder, a device or one of `inputs`, or it cannot be created or written to.
    """
    path = Path(path)
    target = Path(os.path.realpath(path))
    try:
        if target.is_dir():
            raise UsageError(f"{path} is a folder: name a file in it")
        check_distinct([path], inputs)
        if target.exists():
            _try_existing(path, target)
        ancestor = next(folder for folder in target.parents if os.path.lexists(folder))
        if not ancestor.is_dir():
            kind = "a loop of symbolic links" if ancestor.is_symlink() else "a file"
            raise UsageError(f"cannot write {path}: {ancestor} is {kind}, not a folder; choose another folder")
        # Checking permissions is not enough: root has all of them, the file system may be mounted read-only, and each
        # has its own limit on the length of a name.
        with temporary_folder(ancestor) as temporary:
            trial = temporary / target.relative_to(ancestor)
            trial.parent.mkdir(parents=True, exist_ok=True)
            trial.touch()
    except OSError as error:
        raise UsageError(_cannot_write(path, error, "choose another folder")) from error
    return path


def check_distinct(outputs: Iterable[str | os.PathLike[str]], others: Iterable[object]) -> None:
    """Check that none of the output files is one of the others, also under another name, such as that of a link.

    Args:
        outputs: The files, which need not exist.
        others: Elements that are not paths are ignored.

    Raises:
        UsageError: They have a file in common.
    """
    taken = {identity(other) for other in others if isinstance(other, str | os.PathLike)}
    for path in outputs:
        if identity(path) in taken:
            raise UsageError(f"refusing to overwrite {path}, which this run also reads or writes: choose another name")


def identity(path: str | os.PathLike[str]) -> object:
    """Return what two names of one file have in common."""
    try:
        found = Path(path).stat()
    except OSError:
        return os.path.normcase(os.path.realpath(path))
    except ValueError:  # a name with a null character, which no file can have
        return path
    return found.st_dev, found.st_ino  # those of hard links are equal


def exists(path: str | os.PathLike[str]) -> bool:
    """Return whether there is anything at `path`; False for a path that no file can have, such as a long one."""
    return os.path.exists(path)  # noqa: PTH110 - Path.exists raises OSError for a name that is too long


def resolved(path: Path) -> Path:
    """Return the absolute path without symbolic links.

    Raises:
        UsageError: The links are a loop, or a part of the path is a file.
    """
    try:
        with suppress(FileNotFoundError):
            path.stat()
    except OSError as error:
        raise UsageError(f"{path} cannot be used: {reason(error)}; choose another path") from error
    return path.resolve()


def is_file(path: str | os.PathLike[str]) -> bool:
    """Return whether there is a file at `path`; False for a path that no file can have."""
    return os.path.isfile(path)  # noqa: PTH113 - as in `exists`


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Return whether there is a folder at `path`; False for a path that no folder can have."""
    return os.path.isdir(path)  # noqa: PTH112 - as in `exists`


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


def sha256_of_bytes(data: bytes) -> str:
    """Return the SHA-256 of `data` in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def reason(error: OSError) -> str:
    """Return the message of the operating system, without the error number and the path that `str` would add."""
    return error.strerror or str(error)


def _try_existing(path: Path, target: Path) -> None:
    if not target.is_file():
        raise UsageError(f"{path} is a device, not a file: choose another name")
    with target.open("ab"):  # replacing would succeed for a write-protected file
        pass


def _flush_to_disk(path: Path) -> None:
    """Wait until the contents of a file, or the names in a folder, are stored on the disk."""
    if os.name != "posix":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _cannot_write(path: str | os.PathLike[str], error: OSError, advice: str) -> str:
    if error.errno == errno.ENAMETOOLONG:
        advice = "choose a shorter name"
    return f"cannot write {path}: {reason(error)}; {advice}"
