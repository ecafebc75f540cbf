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
def test_sizes_as_people_write_them(text: str | int, expected: int) -> None:
    assert parse_size(text) == expected


@pytest.mark.parametrize("text", ["", "lots", "-1GB", "6 XB", "1.2.3GB", "GB", True, "nan", "inf"])
def test_what_is_no_size(text: str | bool) -> None:
    with pytest.raises(ValueError):
        parse_size(text)


def test_told() -> None:
    assert format_size(1.5 * 2**30) == "1.5 GiB"
