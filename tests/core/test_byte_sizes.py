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


@pytest.mark.parametrize(
    "text", ["", "lots", "-1GB", "6 XB", "1.2.3GB", "GB", True, "nan", "inf", "1e400", "1e300 GB", "0.5", 0.9]
)
def test_parse_size_refuses_other_text(text: str | bool) -> None:
    with pytest.raises(ValueError):
        parse_size(text)


@pytest.mark.parametrize("size", ["0.5", 0.9, "1e-6 kB"])
def test_parse_size_refuses_less_than_a_byte(size: str | float) -> None:
    """Rounded to 0 it would mean no limit, and 0.5 was probably meant as 0.5GB."""
    with pytest.raises(ValueError):
        parse_size(size)


@pytest.mark.parametrize(
    ("count", "expected"),
    [(1.5 * 2**30, "1.5 GiB"), (0.06 * 2**30, "0.1 GiB"), (20 * 2**20, "20.0 MiB"), (300, "0.3 KiB"), (0, "0.0 KiB")],
)
def test_format_size_chooses_the_unit(count: float, expected: str) -> None:
    assert format_size(count) == expected
