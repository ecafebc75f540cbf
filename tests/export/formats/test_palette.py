"""Palettization of weights: smaller and lossless."""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from export.formats.palette import MIN_TENSOR_SIZE, palettize

SHAPE = (8, MIN_TENSOR_SIZE // 4)


def model_adding(weight: np.ndarray) -> onnx.ModelProto:
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, SHAPE) for name in ("x", "y")]
    nodes = [helper.make_node("Add", ["x", "weight"], ["y"])]
    graph = helper.make_graph(nodes, "add", value[:1], value[1:], [numpy_helper.from_array(weight, "weight")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def run_with_zeros(model: onnx.ModelProto) -> np.ndarray:
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": np.zeros(SHAPE, np.float32)})[0]


def test_palettize_stores_few_values_as_bytes_without_loss() -> None:
    generator = np.random.default_rng(0)
    weight = generator.choice(generator.standard_normal(256, np.float32), SHAPE)
    model = model_adding(weight)
    original_size = model.ByteSize()
    palettize(model)
    assert model.ByteSize() < 0.4 * original_size
    np.testing.assert_array_equal(run_with_zeros(model), weight)


def test_palettize_ignores_tensors_with_many_values() -> None:
    weight = np.random.default_rng(0).standard_normal(SHAPE, np.float32)
    model = model_adding(weight)
    before = model.SerializeToString()
    palettize(model)
    assert model.SerializeToString() == before
