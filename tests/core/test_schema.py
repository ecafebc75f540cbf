import pytest
from msgspec import Struct

from core import schema


class Example(Struct):
    ratio: schema.Finite = 0.0
    weight: schema.Positive = 1.0
    count: schema.Count = 0


@pytest.mark.parametrize(
    "values",
    [
        {"ratio": float("nan")},
        {"ratio": float("inf")},
        {"ratio": 10**400},
        {"ratio": "1"},
        {"weight": 0},
        {"weight": float("nan")},
        {"count": -1},
        {"count": 1.5},
        {"count": True},
        [],
        None,
    ],
)
def test_check_refuses_values_outside_the_schema(values: object) -> None:
    with pytest.raises(ValueError, match=r"Expected|out of range"):
        schema.check(values, Example)


def test_check_returns_an_instance_and_leaves_out_other_keys() -> None:
    assert schema.check({"ratio": 2, "other": 3}, Example) == Example(ratio=2.0)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_decode_text_recognises_the_encoding(encoding: str) -> None:
    assert schema.decode_text("a = 'é'".encode(encoding)) == "a = 'é'"


def test_names_that_are_not_unicode_survive_json() -> None:
    assert schema.parse_json(b'"\\udcff"') == "\udcff"
