"""Fields of protobuf messages, and messages that are damaged."""

import pytest

from core.artifacts.protobuf import BYTES, NUMBER, fields


def test_fields_have_their_number_wire_type_and_encoded_value() -> None:
    """A number of two bytes, eight bytes, a text, four bytes, and a number of a field above 15."""
    message = b"\x08\xac\x02" + b"\x11" + bytes(8) + b"\x1a\x02ab" + b"\x25" + bytes(4) + b"\x80\x01\x05"
    found = [(number, kind, bytes(value)) for number, kind, value in fields(memoryview(message))]
    assert found == [
        (1, NUMBER, b"\xac\x02"), (2, 1, bytes(8)), (3, BYTES, b"ab"), (4, 5, bytes(4)), (16, NUMBER, b"\x05"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "message", [b"\x08", b"\x08\x80", b"\x08" + b"\xff" * 10, b"\x1a\x03ab", b"\x11" + bytes(7), b"\x25\x00", b"\x0b"]
)
def test_damaged_messages_end_with_an_error(message: bytes) -> None:
    with pytest.raises(EOFError):
        list(fields(memoryview(message)))
