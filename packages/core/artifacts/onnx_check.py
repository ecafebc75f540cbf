"""Check the graph of an ONNX file before a runtime loads it.

ONNX has operators that repeat a part of a graph without end, and functions that are copied wherever they are called, so
that a few kilobytes can take any time and memory. An extractor or an objective is a straight-line graph of a few
operators; only a painter has loops and branches. This module accepts nothing else.
"""

import os
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Any

from core.archives import MAX_BYTES
from core.artifacts.protobuf import NUMBER, fields
from core.errors import UsageError

MAX_PARTS = 8000
"""Limit on the nodes, initializers and descriptions of all graphs; an objective of all layers of VGG-19 has 1500."""

MAX_DEPTH = 16
"""Limit on the graphs that contain each other; those of a painter are 6 deep."""

_OPERATORS = """
Abs Add And ArgMax ArgMin AveragePool Cast CastLike Ceil Clip Concat Constant ConstantOfShape Conv ConvInteger
ConvTranspose Cos CumSum DequantizeLinear Div DynamicQuantizeLinear Equal Exp Expand Flatten Floor Gather GatherElements
GatherND Gemm Greater GreaterOrEqual Identity IsInf IsNaN Less LessOrEqual Log MatMul MatMulInteger Max MaxPool Min
Mod Mul Neg Not Or Pad Pow QLinearConv QLinearMatMul QuantizeLinear Range Reciprocal ReduceL1 ReduceL2 ReduceMax
ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize Round ScatterElements ScatterND Shape
Sign Sin Size Slice Split Sqrt Squeeze Sub Sum Tile Transpose Unsqueeze Where
"""
"""Arithmetic and the movement of numbers: the operators of artifacts, and similar ones."""

_PERMITTED = frozenset(_OPERATORS.split())
_CONTROL_FLOW = frozenset(("If", "Loop"))

# Numbers of fields in onnx.proto.
_GRAPH, _METADATA, _TRAINING, _FUNCTION = 7, 14, 20, 25
_NODE, _INPUT, _OUTPUT, _SPARSE_INITIALIZER = 1, 11, 12, 15
_OPERATOR, _ATTRIBUTE, _DOMAIN = 4, 5, 7
_ATTRIBUTE_KINDS = frozenset((1, 2, 3, 4, 5, 7, 8, 9, 13, 20, 21))
"""Fields of an attribute that hold its name, numbers, texts and tensors, but no graphs, types or sparse tensors."""

_ATTRIBUTE_GRAPH = 6


def read_checked(path: str | os.PathLike[str], *, control_flow: bool = False) -> bytes:
    """Return the content of an ONNX file whose graph has been checked by `check_onnx_graph`.

    Raises:
        UsageError: Its graph cannot be that of an artifact.
        EOFError: It is no ONNX file, or a damaged one.
    """
    with Path(path).open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    try:
        check_onnx_graph(content, control_flow=control_flow)
    except ValueError as error:
        raise UsageError(f"{os.fspath(path)} {error}: export it again") from error
    return content


def check_onnx_graph(content: bytes, *, control_flow: bool = False) -> None:
    """Check that the content of an ONNX file can be the graph of an artifact.

    Args:
        content: The content of the file.
        control_flow: Whether to accept loops and branches.

    Raises:
        ValueError: It cannot. The message is the reason, "contains …", "has …" or "is …".
        EOFError: It is no ONNX file, or a damaged one.
    """
    if len(content) > MAX_BYTES:
        raise ValueError(f"is larger than {MAX_BYTES} bytes, the limit of an exported file")
    parts = 0
    for number, value in _fields(memoryview(content)):
        if number in (_TRAINING, _FUNCTION):
            raise ValueError("contains functions or training steps, which no exported file has")
        if number == _METADATA:
            _check_text(value, 2)
        if number == _GRAPH:
            for kind, part in _parts(value):
                parts += 1
                if parts > MAX_PARTS:
                    raise ValueError(f"has more than {MAX_PARTS} nodes and tensors")
                if kind == _SPARSE_INITIALIZER:
                    raise ValueError("contains sparse tensors, which no exported file has")
                if kind in (_INPUT, _OUTPUT):
                    _check_text(part, 1)
                if kind == _NODE:
                    _check_node(part, _PERMITTED | _CONTROL_FLOW if control_flow else _PERMITTED)


def _parts(graph: Any, depth: int = 1) -> Iterator[tuple[int, Any]]:
    """Yield the number and the value of each field of a graph, and of the graphs in its nodes."""
    if depth > MAX_DEPTH:
        raise ValueError(f"has more than {MAX_DEPTH} graphs in each other")
    for kind, part in _fields(graph):
        yield kind, part
        if kind == _NODE:
            for number, attribute in _fields(part):
                if number == _ATTRIBUTE:
                    for field, value in _fields(attribute):
                        if field == _ATTRIBUTE_GRAPH:
                            yield from _parts(value, depth + 1)


def _check_node(node: Any, permitted: Set[str]) -> None:
    kinds, name = set[int](), ""
    for number, value in _fields(node):
        if number == _OPERATOR and (name := _text(value)) not in permitted:
            owner = "only a painter" if name in _CONTROL_FLOW else "no exported file"
            raise ValueError(f"contains the operator {name!r:.40}, which {owner} has")
        if number == _DOMAIN and _text(value) not in ("", "ai.onnx"):
            raise ValueError("contains operators of other programs, which no exported file has")
        if number == _ATTRIBUTE:
            kinds |= {kind for kind, _ in _fields(value)}
    if kinds - _ATTRIBUTE_KINDS - ({_ATTRIBUTE_GRAPH} if name in _CONTROL_FLOW else set()):
        raise ValueError("contains graphs in a graph, which no exported file has")


def _check_text(entry: Any, count: int) -> None:
    """Check that the first fields of a message are UTF-8, which ONNX Runtime would not check before it decodes them."""
    for number, value in _fields(entry):
        if number <= count:
            _text(value)


def _text(value: Any) -> str:
    """Return a field as text; raise EOFError if it is none."""
    if not isinstance(value, memoryview):
        raise EOFError
    try:
        return bytes(value).decode()
    except UnicodeDecodeError as error:
        raise EOFError from error


def _fields(message: Any) -> Iterator[tuple[int, Any]]:
    """Yield the number and the value of each field of a message, None for a number.

    Raises:
        EOFError: The message is none, or is damaged.
    """
    if not isinstance(message, memoryview):
        raise EOFError
    for number, kind, value in fields(message):
        yield number, None if kind == NUMBER else value
