"""Read the text files that a user gives: pairs, keys and answers."""

from pathlib import Path

from core.errors import UsageError
from core.files import check_regular, reason


def read_lines(path: Path, what: str, hint: str = "") -> list[str]:
    """Return the lines of a text file; `what` names it in error messages, and `hint` says what it must contain.

    Raises:
        UsageError: The file cannot be read, or is not a text file.
    """
    check_regular(path, f"{what} {path}")
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise UsageError(f"cannot read {what} {path}: {reason(error)}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{what} {path} is not a text file{hint and f': {hint}'}") from error
