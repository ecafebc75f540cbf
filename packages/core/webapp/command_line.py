"""The command line that paints what the page painted."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from core.config.transfer_config import TransferConfig


@dataclass(frozen=True)
class StyleFile:
    """A style by the names of its files, with its weight and the mask of its region, if it has one."""

    picture: str
    weight: float = 1.0
    region: str | None = None


def command_line(content: str, styles: Sequence[StyleFile], config: TransferConfig, output: str) -> str:
    """A line for a POSIX shell, quoted; options that have their default are left out."""
    words = ["python", "-m", "core.transfer", "--content", content]
    for style in styles:
        # A weight says nothing where there is one style, but a name may end in what looks like one.
        weighted = len(styles) > 1 or ":" in style.picture
        words += ["--style", f"{style.picture}:{style.weight!r}" if weighted else style.picture]
    for style in styles:
        words += ["--region", f"{style.region}={style.picture}"] if style.region else []
    for option in fields(TransferConfig):
        value = getattr(config, option.name)
        if value != option.default:
            words += ["--" + option.name.replace("_", "-"), as_text(value)]
    return shlex.join([*words, "--output", output])


def as_text(value: Any) -> str:
    """The value of an option as a command line takes it, from which the very same value is read."""
    if isinstance(value, tuple):
        return ",".join(map(as_text, value))
    return repr(value) if isinstance(value, float) else str(value)
