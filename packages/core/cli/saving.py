"""Write the result of a run, which must not be lost."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from core.errors import StyleTransferError, UsageError, first_line
from core.files import is_file
from core.image.embedded_record import read_record
from core.image.reading import read_image
from core.runs.progress import Result, RunFailedError, RunInterrupted


def check_replaceable(output: Path, other: str) -> None:
    """Check that the output, of which the user did not choose the name, is no image of another program.

    A damaged file may be replaced. `other` names what the user can choose instead.

    Raises:
        UsageError: It is one.
    """
    try:
        if not is_file(output) or read_record(output) is not None:
            return
        read_image(output)
    except UsageError:
        return
    raise UsageError(f"{output} exists and is not a result of this program: move it, or choose another {other}")


def best_result(run: Callable[[], Result]) -> tuple[Result, str]:
    """Return the result of a run, or the best image so far, and why the run failed; "" for an interrupt as well."""
    try:
        return run(), ""
    except RunInterrupted as interrupted:
        return interrupted.result, ""
    except RunFailedError as error:
        return error.result, str(error)


def save_result(result: Result, path: Path) -> None:
    """Write the output image; if that fails, write a PNG file with a new name beside it or in the temporary folder.

    Raises:
        StyleTransferError: The image is not at `path`; the message names the other file.
    """
    try:
        result.save(path)
    except Exception as error:
        copy = _save_copy(result, path.parent) or _save_copy(result, None)
        place = f"written to {copy} instead" if copy else "lost: the temporary folder is not writable either"
        raise StyleTransferError(f"{first_line(error)}; the image was {place}") from error


def _save_copy(result: Result, folder: Path | None) -> Path | None:
    """Write a new PNG file in a folder, None for the temporary folder, and return its path, or None if that fails."""
    try:
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix="style-transfer-", suffix=".png", dir=folder)
    except OSError:
        return None
    os.close(descriptor)
    copy = Path(name)
    try:
        result.save(copy)
    except Exception:  # noqa: BLE001 - the caller tries another folder
        copy.unlink(missing_ok=True)
        return None
    return copy
