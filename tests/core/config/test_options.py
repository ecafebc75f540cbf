import dataclasses
from pathlib import Path
from typing import Literal

import pytest

from core.config.options import flag_of, option, options_of
from core.config.transfer_config import TransferConfig
from core.errors import UsageError


@dataclasses.dataclass
class Example:
    """A configuration with one option of each kind."""

    count: int = option(3, "Numbers", "A count.", minimum=1, maximum=2**63 - 1)
    ratio: float | None = option(None, "Numbers", "A ratio.", minimum=0)
    names: tuple[str, ...] = option(("a", "b"), "Texts", "Names.", metavar="NAME")
    numbers: tuple[float, ...] = option((0.1,), "Numbers", "Numbers.", minimum=0)
    path: str = option("", "Texts", "A file.")
    image: str | None = option(None, "Texts", "An image.", file_or=("noise", "blend"))
    mode: Literal["x", "y"] | None = option(None, "Texts", "A mode.")
    memory: int = option(0, "Numbers", "A size.", size=True)


OPTIONS = options_of(Example)


def test_options_of_describes_every_field() -> None:
    assert list(OPTIONS) == [field.name for field in dataclasses.fields(Example)]
    assert [one.kind for one in OPTIONS.values()] == ["int", "float", "str", "float", "str", "file", "choice", "size"]
    assert [one.multiple for one in OPTIONS.values()] == [False, False, True, True, False, False, False, False]
    assert [one.optional for one in OPTIONS.values()] == [False, True, False, False, False, True, True, False]
    metavars = ["INT", "FLOAT", "NAME[,…]", "FLOAT[,…]", "TEXT", "NAME|FILE", "x|y", "SIZE"]
    assert [one.metavar for one in OPTIONS.values()] == metavars
    assert OPTIONS["mode"].choices == ("x", "y")
    assert (OPTIONS["count"].group, OPTIONS["count"].help, OPTIONS["count"].default) == ("Numbers", "A count.", 3)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("count", "7", 7),
        ("count", 7.0, 7),
        ("count", str(2**63 - 1), 2**63 - 1),
        ("ratio", "1e-3", 1e-3),
        ("ratio", 2, 2.0),
        ("ratio", None, None),
        ("names", " c , d", ("c", "d")),
        ("names", "c", ("c",)),
        ("names", ["c", "d"], ("c", "d")),
        ("numbers", 3, (3.0,)),
        ("numbers", "1,2.5", (1.0, 2.5)),
        ("path", " a.png ", "a.png"),
        ("image", Path("a.png"), "a.png"),
        ("mode", "y", "y"),
        ("mode", None, None),
        ("memory", "2KiB", 2048),
    ],
)
def test_parse_returns_the_stored_form(name: str, value: object, expected: object) -> None:
    parsed = OPTIONS[name].parse(value)
    assert parsed == expected
    assert type(parsed) is type(expected)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("count", 0, "--count is 0: expected a whole number from 1 to 9223372036854775807"),
        ("count", 2**63, "--count is 9223372036854775808: expected a whole number from 1 to 9223372036854775807"),
        ("count", "5e2", "--count is 5e2: expected a whole number from 1 to 9223372036854775807"),
        ("count", None, "--count is None: expected a whole number from 1 to 9223372036854775807"),
        ("ratio", "nan", "--ratio is nan: expected a number of at least 0"),
        ("ratio", True, "--ratio is True: expected a number of at least 0"),
        ("numbers", "1,,2", "--numbers is '1,,2': expected one value, or several separated by commas"),
        ("names", "a,,b", "--names is 'a,,b': expected one value, or several separated by commas"),
        ("names", [], "--names is []: expected one value, or several separated by commas"),
        ("path", " ", "--path is ' ': expected a text"),
        ("path", 5, "--path is 5: expected a text"),
        ("image", "", "--image is '': expected noise, blend, or a file"),
        ("image", ["a.png"], "--image is ['a.png']: expected noise, blend, or a file"),
        ("names", [1], "--names is 1: expected a text"),
        ("mode", "z", "--mode is 'z': expected one of x, y"),
        ("mode", ["x"], "--mode is ['x']: expected one of x, y"),
        ("memory", "1e400", "--memory is 1e400: expected a size such as 6GB or 500MB, or 0"),
        ("memory", "much", "--memory is much: expected a size such as 6GB or 500MB, or 0"),
    ],
)
def test_parse_refuses_invalid_values(name: str, value: object, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        OPTIONS[name].parse(value)
    assert str(raised.value) == message


@pytest.mark.parametrize("preset", ["gatys2015", "johnson", "crowson"])
def test_parse_restores_formatted_values(preset: str) -> None:
    config = TransferConfig.preset(preset)
    for name, described in options_of(config).items():
        value = getattr(config, name)
        if value is not None:
            assert described.parse(described.format(value)) == value


def test_every_option_of_the_configuration_has_help_of_at_most_two_lines() -> None:
    for described in options_of(TransferConfig).values():
        assert described.help.endswith(".")
        assert len(described.help) <= 240


def test_a_value_of_any_length_and_depth_is_shown_in_part() -> None:
    nested: list = []
    for _ in range(10_000):
        nested = [nested]
    for value in (nested, "9" * 100_000, 10**3000):
        with pytest.raises(UsageError) as raised:
            OPTIONS["ratio"].parse(value)
        assert len(str(raised.value)) < 200


def test_flag_of_uses_hyphens() -> None:
    assert flag_of("image_size") == OPTIONS["count"].flag.replace("count", "image-size") == "--image-size"
