"""The command line that computes the same result as the page."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from core.config.transfer_config import TransferConfig


@dataclass(frozen=True)
class StyleFile:
    """File name of a style image, its weight, and the file name of its region mask."""

    name: str
    weight: float = 1.0
    mask: str | None = None


def command_line(content: str, styles: Sequence[StyleFile], config: TransferConfig, output: str) -> str:
    """Return a quoted command for a POSIX shell; options with their default value are omitted."""
    words = ["python", "-m", "core.transfer", "--content", content]
    for style in styles:
        # A single style needs no weight, unless its name contains a colon that would be parsed as one.
        weighted = len(styles) > 1 or ":" in style.name
        words += ["--style", f"{style.name}:{style.weight!r}" if weighted else style.name]
    for style in styles:
        words += ["--region", f"{style.mask}={style.name}"] if style.mask else []
    for option in fields(TransferConfig):
        value = getattr(config, option.name)
        if value != option.default:
            words += ["--" + option.name.replace("_", "-"), as_text(value)]
    return shlex.join([*words, "--output", output])


def as_text(value: Any) -> str:
    """Return an option value as command-line text that parses to exactly the same value."""
    if isinstance(value, tuple):
        return ",".join(map(as_text, value))
    return repr(value) if isinstance(value, float) else str(value)
