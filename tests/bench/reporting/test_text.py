"""Numbers and tables as text."""

import pytest

from bench.reporting.text import escape_markdown, format_number, markdown_table


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (None, 3, "–"),
        (0.0, 3, "0"),
        (1.0, 3, "1.00"),
        (12.345, 3, "12.3"),
        (123.45, 3, "123"),
        (0.012345, 3, "0.0123"),
        (12345.6, 3, "12,300"),
        (9.996, 3, "10.0"),
        (0.09996, 3, "0.100"),
        (1234.56, 4, "1,235"),
        (2e-7, 2, "0.00000020"),
    ],
)
def test_format_number_keeps_significant_digits(value: float | None, digits: int, text: str) -> None:
    assert format_number(value, digits) == text


def test_escape_markdown_escapes_every_special_character() -> None:
    assert escape_markdown("a|b*c\n<d>\x07") == r"a\|b\*c \<d\> "


def test_markdown_table_aligns_columns_and_omits_empty_ones() -> None:
    rows = [{"name": "a", "size": "–", "time": "1"}, {"name": "b", "size": "–"}]
    (table,) = markdown_table(rows, text_columns=["name"])
    assert table.splitlines() == ["| name | time |", "| --- | ---: |", "| a | 1 |", "| b | – |"]


def test_markdown_table_of_no_rows_is_empty() -> None:
    assert markdown_table([], text_columns=[]) == []
