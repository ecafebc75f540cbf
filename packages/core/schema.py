"""Parse text of files that other people or programs may have written, and check it against a schema.

Everything here raises `ValueError` with a short reason; callers add the name of the file and what to do.
"""

import json
import re
import sys
import tomllib
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

T = TypeVar("T")

Finite = Annotated[float, Meta(ge=-sys.float_info.max, le=sys.float_info.max)]
NonNegative = Annotated[float, Meta(ge=0, le=sys.float_info.max)]
Positive = Annotated[float, Meta(gt=0, le=sys.float_info.max)]
Count = Annotated[int, Meta(ge=0, le=2**53)]
"""Counts and sizes: whole numbers that every JSON reader represents exactly."""

_DEEP_KEY = re.compile(r"""(?:[\w"'-]+\s*\.\s*){50}""")
"""A dotted key of TOML with 50 parts; `tomllib` needs memory in proportion to the square of their number."""


def decode_text(data: bytes) -> str:
    """Decode UTF-8, UTF-16 or UTF-32, with or without a byte order mark, of a text that starts with ASCII.

    Notepad and PowerShell write all of these.
    """
    return data.decode(json.detect_encoding(data))


def parse_json(text: str | bytes) -> Any:
    """Parse JSON."""
    return _parse(json.loads, text if isinstance(text, str) else decode_text(text))


def parse_toml(text: str) -> dict[str, Any]:
    """Parse TOML."""
    if _DEEP_KEY.search(text):
        raise ValueError("it is nested too deeply")
    found: dict[str, Any] = _parse(tomllib.loads, text)
    return found


def check(value: Any, schema: type[T]) -> T:
    """Return a parsed value as an instance of `schema`, a type that msgspec supports, such as a `Struct`.

    Keys that the schema lacks are left out.
    """
    return msgspec.convert(value, schema)  # its ValidationError is a ValueError


def _parse(parser: Callable[[str], Any], text: str) -> Any:
    try:
        return parser(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
