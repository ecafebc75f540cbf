"""Parse and format numbers of bytes such as "6GB", "1.5 GiB" or "500 MB"."""

import re

MAX_SIZE = 2**63 - 1
"""Largest number of bytes, that of a signed 64-bit integer."""

_SIZE = re.compile(r"([\d.]+(?:e[+-]?\d+)?)\s*(?:([kmgt])(i?))?b?", re.IGNORECASE)


def parse_size(text: str | float) -> int:
    """Return a number of bytes from a number with an optional unit; "none" is 0.

    Units are case-insensitive and the final B is optional: GB and G are 10^9 bytes, GiB and Gi are 2^30.

    Raises:
        ValueError: The text is not a size.
    """
    if str(text).strip().lower() == "none":
        return 0
    found = _SIZE.fullmatch(str(text).strip())
    if not found or isinstance(text, bool):
        raise ValueError(text)
    power = " kmgt".index((found[2] or " ").lower())
    count = float(found[1]) * float(1024 if found[3] else 1000) ** power
    if not (count == 0 or 1 <= count <= MAX_SIZE):  # 0.5 was probably meant as 0.5GB
        raise ValueError(text)
    return round(count)


def format_size(count: float) -> str:
    """Return a number of bytes as text in GiB, such as "1.3 GiB"; in MiB or KiB where that would be 0.0."""
    for unit, size in (("GiB", 2**30), ("MiB", 2**20)):
        if count >= 0.05 * size:
            return f"{count / size:.1f} {unit}"
    return f"{count / 2**10:.1f} KiB"
