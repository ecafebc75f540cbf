"""The command line that computes the same result as the page."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from core.config.options import options_of
from core.config.transfer_config import TransferConfig


@dataclass(frozen=True)
class StyleFile:
    """File name of a style image, its weight, and the file names of its region mask and of its style mask."""

    name: str
    weight: float = 1.0
    mask: str | None = None
    style_mask: str | None = None


def command_line(content: str, styles: Sequence[StyleFile], config: TransferConfig, output: str) -> str:
    """Return a quoted command for a POSIX shell; options with their default value are omitted."""
    words = ["python", "-m", "core.transfer", "--content", content]
    for style in styles:
        # A single style needs no weight, unless its name contains a colon that would be parsed as one.
        weighted = len(styles) > 1 or ":" in style.name
        words += ["--style", f"{style.name}:{style.weight!r}" if weighted else style.name]
    for style in styles:
        words += ["--region", f"{style.mask}={style.name}"] if style.mask else []
        words += ["--style-mask", f"{style.style_mask}={style.name}"] if style.style_mask else []
    for option in options_of(config).values():
        value = getattr(config, option.name)
        if value != option.default:
            words += [option.flag, option.format(value)]
    return shlex.join([*words, "--output", output])
