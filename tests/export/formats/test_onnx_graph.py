"""ONNX models of extractors."""

from collections.abc import Callable
from pathlib import Path

import onnx
import torch

from core.network.weights import Weights, load_weights

Exported = Callable[..., Path]
TAPS = ("relu1_1", "relu2_1", "relu3_1")


def test_model_is_one_file_of_standard_operators(exported: Exported) -> None:
    model = onnx.load(exported("onnx"), load_external_data=False)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 18)]
    assert {node.domain for node in model.graph.node} == {""}
    assert not model.functions
    assert all(tensor.data_location == onnx.TensorProto.DEFAULT for tensor in model.graph.initializer)


def test_model_names_its_axes_and_outputs(exported: Exported) -> None:
    model = onnx.load(exported("onnx"), load_external_data=False)
    shape = model.graph.input[0].type.tensor_type.shape
    assert [side.dim_param or side.dim_value for side in shape.dim] == ["batch", 3, "height", "width"]
    assert [output.name for output in model.graph.output] == list(TAPS)


def test_model_is_a_source_of_weights_with_their_preprocessing(exported: Exported, vgg19_weights: Weights) -> None:
    loaded = load_weights("vgg19", str(exported("onnx")))
    assert loaded.preprocessing == vgg19_weights.preprocessing
    assert all(torch.equal(values, vgg19_weights.state[name]) for name, values in loaded.state.items())
