"""Describe the options of a configuration once, for the configuration itself, command lines and web pages.

A configuration is a dataclass whose fields are made by `option`. The annotation of a field gives the kind of the
option, and the arguments of `option` give the rest; `options_of` returns both as one `Option` for each field.
"""

import math
import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from os import PathLike, fspath
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from core.byte_sizes import parse_size
from core.errors import UsageError

Kind = Literal["int", "float", "str", "file", "choice", "size"]

LARGEST_INTEGER = 2**63 - 1
"""Limit on integers without another one."""


@dataclass(frozen=True, kw_only=True)
class Option:
    """The description of one option.

    Attributes:
        name: Name of the field, and key in configuration files.
        kind: Kind of the value, or of each item if `multiple`. A "size" is a number of bytes, a "file" a path or one
            of `names`.
        group: Heading of the option in help texts and forms.
        help: Description in at most two lines.
        default: Value if the option is not given.
        multiple: Whether the value is a tuple, written as a comma-separated list.
        optional: Whether the value may be None.
        choices: Accepted values of a "choice", without None.
        names: Values of a "file" that are not paths.
        minimum: Lower bound of an "int" or "float", inclusive.
        maximum: Upper bound of an "int" or "float", inclusive.
        metavar: Placeholder of the value in usage texts.
    """

    name: str
    kind: Kind
    group: str
    help: str
    default: Any
    multiple: bool
    optional: bool
    choices: tuple[str, ...]
    names: tuple[str, ...]
    minimum: float
    maximum: float
    metavar: str

    @property
    def flag(self) -> str:
        """Name of the command-line flag."""
        return flag_of(self.name)

    def parse(self, value: Any) -> Any:
        """Return `value`, which may be text, in the form in which the configuration stores it.

        Raises:
            UsageError: The value is of another kind, out of bounds, or none of the choices.
        """
        if value is None and self.optional:
            return None
        if not self.multiple:
            return self._parse_item(value)
        items = [item.strip() for item in value.split(",")] if isinstance(value, str) else value
        items = items if isinstance(items, Sequence) else (items,)
        if not items or "" in items:
            raise UsageError(f"{self.flag} is {shown(value)}: expected one value, or several separated by commas")
        return tuple(self._parse_item(item) for item in items)

    def format(self, value: Any) -> str:
        """Return a stored value as the text from which `parse` returns the same value."""
        return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)

    def _parse_item(self, value: Any) -> Any:
        match self.kind:
            case "str" | "file":
                return self._parse_text(value)
            case "choice":
                return self._parse_choice(value)
            case "size":
                return self._parse_size(value)
            case _:
                return self._parse_number(value)

    def _parse_text(self, value: Any) -> str:
        text = fspath(value) if isinstance(value, str | PathLike) else None
        if not isinstance(text, str) or not text.strip():
            expected = "a text" if self.kind == "str" else ", ".join((*self.names, "or a file")).removeprefix("or ")
            raise UsageError(f"{self.flag} is {shown(value)}: expected {expected}")
        return text.strip()

    def _parse_choice(self, value: Any) -> Any:
        if not isinstance(value, str) or value not in self.choices:
            raise UsageError(f"{self.flag} is {shown(value)}: expected one of {', '.join(self.choices)}")
        return value

    def _parse_size(self, value: Any) -> int:
        try:
            return parse_size(value)
        except ValueError as error:
            raise UsageError(
                f"{self.flag} is {_unquoted(value)}: expected a size such as 6GB or 500MB, or 0"
            ) from error

    def _parse_number(self, value: Any) -> float:
        number = integer(value) if self.kind == "int" else real(value)
        if number is None or not self.minimum <= number <= self.maximum:
            whole = "whole " if self.kind == "int" else ""
            raise UsageError(f"{self.flag} is {_unquoted(value)}: expected a {whole}number {self._bounds()}")
        if self.kind == "int" and number > LARGEST_INTEGER:  # Python computes with more, but not with floats
            raise UsageError(f"{self.flag} is {_unquoted(value)}: expected at most {LARGEST_INTEGER}")
        return number

    def _bounds(self) -> str:
        if math.isinf(self.maximum):
            return f"of at least {self.minimum}"
        return f"from {self.minimum} to {self.maximum}"


def option(
    default: Any,
    group: str,
    help: str | Callable[[], str],
    *,
    minimum: float = -math.inf,
    maximum: float = math.inf,
    choices: Callable[[], Sequence[str]] | None = None,
    size: bool = False,
    file_or: Sequence[str] | None = None,
    metavar: str = "",
) -> Any:
    """Return a dataclass field with its default and the description of its option.

    Args:
        default: See `Option`, as for `group`, `minimum`, `maximum` and `metavar`.
        group: Heading of the option.
        help: Description, or a function that returns it when it is needed.
        minimum: Lower bound of a number.
        maximum: Upper bound of a number.
        choices: Function that returns the accepted values of a text; an annotation `Literal[...]` needs none.
        size: Whether an integer is a number of bytes, which may be given with a unit.
        file_or: If a text is the path of a file, its values that are no paths.
        metavar: Placeholder of one value; by default it follows from the kind.
    """
    described = {
        "group": group,
        "help": help,
        "minimum": minimum,
        "maximum": maximum,
        "choices": choices,
        "size": size,
        "file_or": file_or,
        "metavar": metavar,
    }
    return field(default=default, metadata=described)


def options_of(config: Any) -> Mapping[str, Option]:
    """Return the options of a configuration, a class or an instance, by name and in the order of its fields.

    Help texts and choices that are functions are evaluated by this call.
    """
    return {one.name: _describe(one) for one in fields(config)}


def flag_of(name: str) -> str:
    """Return the command-line flag of an option."""
    return "--" + name.replace("_", "-")


def real(value: Any) -> float | None:
    """Return `value` as a finite float, or None if it is no such number."""
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def integer(value: Any) -> int | None:
    """Return `value` as an integer without rounding, or None if it is not a whole number."""
    try:
        whole = isinstance(value, str) or (not isinstance(value, bool) and float(value).is_integer())
        return int(value) if whole else None
    except (TypeError, ValueError, OverflowError):
        return None


def shown(value: Any) -> str:
    """Return the start of the `repr` of a value, which may be long or nested deeply."""
    shortener = reprlib.Repr()
    shortener.maxstring = shortener.maxother = shortener.maxlong = 100
    return shortener.repr(value)


def _describe(described: Field[Any]) -> Option:
    metadata = described.metadata
    annotation, multiple, optional = _unwrapped(described.type)
    choices = tuple(metadata["choices"]()) if metadata["choices"] else _literals(annotation)
    is_file = metadata["file_or"] is not None
    kind: Kind = "size" if metadata["size"] else "file" if is_file else "choice" if choices else annotation.__name__
    names = tuple(metadata["file_or"] or ())
    placeholder = {"str": "TEXT", "choice": "|".join(choices), "file": "NAME|FILE" if names else "FILE"}
    metavar = metadata["metavar"] or placeholder.get(kind, kind.upper())
    text = metadata["help"]
    return Option(
        name=described.name,
        kind=kind,
        group=metadata["group"],
        help=text() if callable(text) else text,
        default=described.default,
        multiple=multiple,
        optional=optional,
        choices=choices,
        names=names,
        minimum=metadata["minimum"],
        maximum=metadata["maximum"],
        metavar=f"{metavar}[,…]" if multiple else metavar,
    )


def _unwrapped(annotation: Any) -> tuple[Any, bool, bool]:
    """Return the type of one value, whether there are several, and whether None is accepted."""
    optional = get_origin(annotation) in (Union, UnionType)
    if optional:
        (annotation,) = (part for part in get_args(annotation) if part is not NoneType)
    if get_origin(annotation) is tuple:
        return get_args(annotation)[0], True, optional
    return annotation, False, optional


def _literals(annotation: Any) -> tuple[str, ...]:
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def _unquoted(value: Any) -> str:
    """Return the start of a value as text."""
    return f"{value:.100}" if isinstance(value, str) else shown(value)
