"""Models from values: their inputs, outputs and stored arrays, by name and in order."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

from export.graph.model import Initializers, InputValues, build_model
from export.graph.values import Value
from export.io_spec import TensorSpec

WEIGHT = np.array([[2.0, 0.0], [1.0, 3.0]], np.float32)


def linear() -> onnx.ModelProto:
    """The model of x @ weight + y, and of y."""
    stored = Initializers()
    inputs = {"y": Value.of_input(np.float32, [2]), "x": Value.of_input(np.float32, [None, 2])}
    weight = stored.add("conv1_1.weight", WEIGHT)
    return build_model(inputs, {"sum": inputs["x"] @ weight + inputs["y"], "double": inputs["y"] * 2}, stored)


def test_inputs_and_outputs_keep_their_names_and_order() -> None:
    model = linear()
    onnx.checker.check_model(model, full_check=True)
    assert [value.name for value in model.graph.input] == ["y", "x"]
    assert [value.name for value in model.graph.output] == ["sum", "double"]
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 18)]
    x, y = np.float32([[1, 2], [3, 4]]), np.float32([10, 20])
    found = ReferenceEvaluator(model).run(None, {"x": x, "y": y})
    np.testing.assert_array_equal(found[0], x @ WEIGHT + y)
    np.testing.assert_array_equal(found[1], 2 * y)


def test_arrays_are_stored_under_their_names() -> None:
    (stored,) = linear().graph.initializer
    assert stored.name == "conv1_1.weight"
    np.testing.assert_array_equal(numpy_helper.to_array(stored), WEIGHT)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arguments_are_values_or_lists_of_values_of_the_inputs(dtype: type) -> None:
    image = TensorSpec("image", (1, 3, "height", "width"))
    targets = [TensorSpec(f"content/relu{number}", (1, number)) for number in (1, 2)]
    inputs = InputValues({"image": image, "content": targets, "weights": []}, dtype)
    assert [*inputs.by_name] == ["image", "content/relu1", "content/relu2"]
    assert inputs.arguments["image"] is inputs.by_name["image"]
    assert inputs.arguments["content"] == [inputs.by_name["content/relu1"], inputs.by_name["content/relu2"]]
    assert inputs.arguments["weights"] == []
    assert {np.dtype(value.dtype) for value in inputs.by_name.values()} == {np.dtype(dtype)}
    model = build_model(inputs.by_name, {"mean": inputs.arguments["image"].mean()})
    sides = [side.dim_value for side in model.graph.input[0].type.tensor_type.shape.dim]
    assert sides == [1, 3, 0, 0]  # lengths that vary have no value
