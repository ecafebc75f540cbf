"""Zip archives with changed members."""

import zipfile
from collections.abc import Callable
from pathlib import Path


def rewrite_archive(
    path: Path, target: Path, change: Callable[[str, bytes], bytes], compression: int = zipfile.ZIP_STORED
) -> Path:
    """Copy the archive at `path` to `target`, with each member replaced by `change(name, content)`."""
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w", compression) as copy:
        for name in source.namelist():
            copy.writestr(name, change(name, source.read(name)))
    return target
