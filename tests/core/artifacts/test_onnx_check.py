"""Graphs that no artifact has are refused before ONNX Runtime loads them.

The exports open what they have written, so that their tests also check that every artifact is accepted.
"""

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from core.archives import MAX_BYTES
from core.artifacts.onnx_check import MAX_DEPTH, MAX_PARTS, check_onnx_graph

IMAGE = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, None, None])
RESULT = helper.make_tensor_value_info("result", TensorProto.FLOAT, None)
COUNT = numpy_helper.from_array(np.array(2**62), "count")


def model_of(*nodes: onnx.NodeProto, **fields: object) -> bytes:
    graph = helper.make_graph(list(nodes), "graph", [IMAGE], [RESULT], [COUNT])
    return bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], **fields).SerializeToString())


def relu(domain: str = "", **attributes: object) -> onnx.NodeProto:
    return helper.make_node("Relu", ["image"], ["result"], domain=domain, **attributes)


def endless_loop() -> bytes:
    """A loop of 2 ** 62 rounds."""
    condition, value = (helper.make_tensor_value_info(name, TensorProto.BOOL, []) for name in ("go", "going"))
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["going"])],
        "body",
        [helper.make_tensor_value_info("round", TensorProto.INT64, []), condition],
        [value],
    )
    return model_of(helper.make_node("Loop", ["count", ""], [], body=body), relu())


def branches(depth: int, operator: str = "Relu") -> bytes:
    """Branches in each other, and another operator in the innermost."""
    node = helper.make_node(operator, ["image"], ["result"])
    for _ in range(depth):
        graph = helper.make_graph([node], "branch", [], [RESULT])
        node = helper.make_node("If", ["count"], ["result"], then_branch=graph, else_branch=graph)
    return model_of(node)


def exponential_functions() -> bytes:
    """Functions that each call the next one twice."""
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("f", 1)]
    functions = [
        helper.make_function(
            "f",
            f"f{depth}",
            ["x"],
            ["y"],
            [
                helper.make_node(f"f{depth + 1}", ["x"], ["z"], domain="f"),
                helper.make_node(f"f{depth + 1}", ["z"], ["y"], domain="f"),
            ],
            opsets,
        )
        for depth in range(60)
    ]
    return model_of(relu(), functions=functions)


NUMBER_AS_NAME = b"\x3a\x0c\x0a\x0a\x20" + b"\xff" * 8 + b"\x7f"
"""A graph with a node whose operator is the number 2 ** 63 - 1 in place of a text."""


def test_a_straight_line_graph_is_accepted() -> None:
    check_onnx_graph(model_of(relu()))
    check_onnx_graph(model_of(relu("ai.onnx")))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (endless_loop, "contains the operator 'Loop', which only a painter has"),
        (lambda: model_of(helper.make_node("a\nb", ["image"], ["result"])), r"contains the operator 'a\\nb', which"),
        (exponential_functions, "contains functions or training steps, which no exported file has"),
        (lambda: model_of(relu("com.microsoft")), "contains operators of other programs"),
        (lambda: model_of(relu(part=onnx.GraphProto())), "contains graphs in a graph"),
        (lambda: model_of(relu(parts=[onnx.GraphProto()])), "contains graphs in a graph"),
        (lambda: model_of(*[relu()] * MAX_PARTS), f"has more than {MAX_PARTS} nodes and tensors"),
        (lambda: model_of(relu()) + model_of(*[relu()] * MAX_PARTS), f"has more than {MAX_PARTS} nodes and tensors"),
        (lambda: model_of(relu()) + endless_loop(), "contains the operator 'Loop'"),
        (lambda: bytes(MAX_BYTES + 1), f"is larger than {MAX_BYTES} bytes, the limit of an exported file"),
    ],
)
def test_other_graphs_are_refused(content: Callable[[], bytes], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        check_onnx_graph(content())


def test_loops_and_branches_are_accepted_where_they_are_expected() -> None:
    check_onnx_graph(endless_loop(), control_flow=True)
    check_onnx_graph(branches(3), control_flow=True)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (lambda: branches(2, "NoSuchOperator"), "contains the operator 'NoSuchOperator', which no exported file has"),
        (lambda: branches(13), f"has more than {MAX_PARTS} nodes and tensors"),
        (lambda: model_of(relu(part=onnx.GraphProto())), "contains graphs in a graph"),
    ],
)
def test_graphs_in_graphs_are_checked(content: Callable[[], bytes], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        check_onnx_graph(content(), control_flow=True)


def test_graphs_that_are_too_deep_are_refused() -> None:
    node = relu()
    for _ in range(MAX_DEPTH):
        node = helper.make_node("Loop", ["count"], [], body=helper.make_graph([node], "body", [], []))
    with pytest.raises(ValueError, match=f"has more than {MAX_DEPTH} graphs in each other"):
        check_onnx_graph(model_of(node), control_flow=True)


def test_sparse_tensors_are_refused() -> None:
    model = onnx.load_from_string(model_of(relu()))
    values = numpy_helper.from_array(np.ones(1, np.float32), "values")
    indices = numpy_helper.from_array(np.zeros(1, np.int64), "indices")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [2**40]))
    with pytest.raises(ValueError, match="contains sparse tensors, which no exported file has"):
        check_onnx_graph(model.SerializeToString())


@pytest.mark.parametrize(
    "content", [b"\x07", b"\x3a\xff", b"\x3a\x05ab", b"\x0a" + b"\xff" * 11, b"\x38\x01", b"\x0b", NUMBER_AS_NAME]
)
def test_an_invalid_encoding_is_refused(content: bytes) -> None:
    with pytest.raises(EOFError):
        check_onnx_graph(content)


@pytest.mark.parametrize("name", [b"image", b"result", b"key", b"value"])
def test_names_that_are_not_utf_8_are_refused(name: bytes) -> None:
    model = onnx.load_from_string(model_of(relu()))
    helper.set_model_props(model, {"key": "value"})
    content = model.SerializeToString()
    check_onnx_graph(content)
    with pytest.raises(EOFError):
        check_onnx_graph(content.replace(name, b"\xff" * len(name)))


def test_every_truncation_is_refused_or_has_no_graph() -> None:
    """The fields before the graph alone are a valid, empty message."""
    whole = model_of(relu())
    accepted = 0
    for length in range(len(whole)):
        try:
            check_onnx_graph(whole[:length])
            accepted += 1
        except EOFError:
            continue
    assert accepted <= len(onnx.load_from_string(whole).ListFields())
