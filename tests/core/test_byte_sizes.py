import pytest

from core.byte_sizes import format_size, parse_size


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("6GB", 6 * 10**9),
        ("6g", 6 * 10**9),
        ("1.5 GiB", 3 * 2**29),
        ("500 MB", 500 * 10**6),
        ("2KiB", 2048),
        ("1e9", 10**9),
        (3 * 10**9, 3 * 10**9),
        ("12 B", 12),
        (0, 0),
        ("none", 0),
    ],
)
def test_parse_size_accepts_units(text: str | int, expected: int) -> None:
    assert parse_size(text) == expected


@pytest.mark.parametrize("text", ["", "lots", "-1GB", "6 XB", "1.2.3GB", "GB", True, "nan", "inf", "1e400", "1e300 GB"])
def test_parse_size_refuses_other_text(text: str | bool) -> None:
    with pytest.raises(ValueError):
        parse_size(text)


def test_format_size_is_in_gib() -> None:
    assert format_size(1.5 * 2**30) == "1.5 GiB"
