"""Read the encoding of protobuf messages (protobuf.dev/programming-guides/encoding), without the package onnx.

The package is not part of a deployment, and would allocate an object for every node before it could be counted.
"""

from collections.abc import Iterator

NUMBER, BYTES = 0, 2
"""Wire types: a number of variable length, and a text, a message or other bytes."""

_FIXED_LENGTHS = {1: 8, 5: 4}
"""The wire types of numbers of a fixed length, and that length in bytes."""


def fields(message: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """Yield the number, the wire type and the encoded value of each field of a message.

    Raises:
        EOFError: The message is truncated, or has a wire type that no present writer uses.
    """
    position = 0
    while position < len(message):
        tag, position = _read_number(message, position)
        kind = tag & 7
        if kind == NUMBER:
            _, end = _read_number(message, position)
        elif kind == BYTES:
            length, position = _read_number(message, position)
            end = position + length
        elif kind in _FIXED_LENGTHS:
            end = position + _FIXED_LENGTHS[kind]
        else:
            raise EOFError
        if end > len(message):
            raise EOFError
        yield tag >> 3, kind, message[position:end]
        position = end


def _read_number(message: memoryview, position: int) -> tuple[int, int]:
    """Return a number of up to 64 bits, seven in each byte and the lowest first, and the position after it."""
    if position < len(message) and message[position] < 0x80:
        return message[position], position + 1  # nearly always, so without the loop
    number = 0
    for shift, byte in zip(range(0, 70, 7), message[position : position + 10], strict=False):
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, position + shift // 7 + 1
    raise EOFError
