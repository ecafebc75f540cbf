"""Masks that a browser sends. The components themselves are tested in a browser."""

import base64
from typing import Any

import pytest

from core.errors import UsageError

pytest.importorskip("streamlit", reason="Streamlit is not installed")

from core.webapp.components import MAX_MASK_LENGTH, decode_mask

PREFIX = "data:image/png;base64,"


def test_decode_mask_returns_the_bytes_of_the_file() -> None:
    assert decode_mask(PREFIX + base64.b64encode(b"\x89PNG").decode()) == b"\x89PNG"


@pytest.mark.parametrize(
    "value",
    [
        7,
        {"mask": PREFIX},
        "data:image/jpeg;base64,AAAA",
        PREFIX + "AAA",
        PREFIX + "?AAA",
        PREFIX + "A" * MAX_MASK_LENGTH,
    ],
    ids=["number", "object", "other format", "padding", "characters", "length"],
)
def test_decode_mask_rejects_invalid_values(value: Any) -> None:
    with pytest.raises(UsageError, match=r"^the browser sent an invalid region mask: draw it again$"):
        decode_mask(value)
