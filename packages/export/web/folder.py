"""The folder of a written page: recognise it, and replace it as a whole."""

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct

from core.errors import StyleTransferError, UsageError
from core.files import check_writable, created, reason, resolved, sha256_of
from core.schema import check, parse_json
from core.temporary_folder import temporary_folder

SETTINGS_FILE = "page.json"
"""The settings that the page's scripts read; also identifies a folder as a page that may be replaced."""


class PageSettings(Struct):
    """The part of the settings by which a page is recognised: `files` has the checksums of its files by their paths."""

    objective: dict[str, Any]
    files: dict[str, str]


def size_of(folder: Path) -> str:
    """Return the size of all files in a folder, formatted in megabytes."""
    return f"{sum(path.stat().st_size for path in folder.rglob('*')) / 1e6:.1f} MB"


def read_settings(folder: Path) -> Any:
    """Return the settings of the page in a folder.

    Raises:
        UsageError: The folder does not contain a page.
    """
    try:
        settings = parse_json((folder / SETTINGS_FILE).read_bytes())
        check(settings, PageSettings)
    except (OSError, ValueError) as error:
        raise UsageError(f"{folder} is not a page written by python -m export web: choose another folder") from error
    return settings


def check_replaceable(folder: Path) -> None:
    """Check that writing a page to `folder` overwrites nothing but the files of a page as they were written.

    Raises:
        UsageError: `folder` is a file or cannot be created, or contains files that are not part of a page or have
            changed since.
    """
    if not folder.exists():
        check_writable(folder)
        return
    if not folder.is_dir():
        raise UsageError(f"{folder} is a file: choose a folder for the page")
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    checksums = read_settings(folder)["files"] if present else {}
    if others := sorted(present - {SETTINGS_FILE, *checksums}):
        raise UsageError(
            f"refusing to overwrite {folder}: it contains {others[0]}, which is not part of a page; choose another "
            "folder"
        )
    for name in sorted(present & checksums.keys()):
        if sha256_of(folder / name) != checksums[name]:
            raise UsageError(
                f"refusing to overwrite {folder}: {name} has changed since the page was written; move this file, or "
                "choose another folder"
            )


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """Yield a new temporary folder that replaces `folder` when the block ends, and is deleted when the block fails.

    Raises:
        StyleTransferError: The folder cannot be written, or is a loop of symbolic links; `folder` is unchanged.
    """
    target = resolved(folder)
    # The old page is not moved into the temporary folder, which is removed if this program is killed now.
    old = target.with_name(f".{uuid.uuid4().hex}")
    try:
        with created(target.parent), temporary_folder(target.parent) as parent:
            temporary = parent / target.name
            temporary.mkdir()
            yield temporary
            if target.exists():
                target.rename(old)
            temporary.rename(target)
    except OSError as error:
        if old.exists() and not target.exists():
            old.rename(target)
        raise StyleTransferError(
            f"cannot write {folder}: {reason(error)}; free disk space or choose another folder"
        ) from error
    finally:
        shutil.rmtree(old, ignore_errors=True)
