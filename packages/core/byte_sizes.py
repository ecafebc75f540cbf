"""Amounts of memory as people write them: "6GB", "1.5 GiB", "500 MB"."""

import re

_SIZE = re.compile(r"([\d.]+(?:e[+-]?\d+)?)\s*(?:([kmgt])(i?))?b?", re.IGNORECASE)


def parse_size(text: str | float) -> int:
    """The bytes in a number, with or without a unit: GB and G for 10⁹ of them, GiB for 2³⁰; "none" is 0.

    Raises:
        ValueError: It is something else.
    """
    if str(text).strip().lower() == "none":
        return 0
    found = _SIZE.fullmatch(str(text).strip())
    if not found or isinstance(text, bool):
        raise ValueError(text)
    power = " kmgt".index((found[2] or " ").lower())
    unit = (1024 if found[3] else 1000) ** power
    return round(float(found[1]) * float(unit))


def format_size(count: float) -> str:
    """A number of bytes for people: "1.3 GiB"."""
    return f"{count / 2**30:.1f} GiB"
