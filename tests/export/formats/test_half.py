"""Extractors in half precision."""

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
import torch

from core.artifacts.extractors import open_extractor
from core.network.vgg import load_vgg_features
from core.network.weights import Weights, load_weights
from export.extractor import export_extractor

Exported = Callable[..., Path]
TAPS = ("relu1_1", "relu2_1", "relu3_1")


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize("format", ["torchscript", "onnx", "pt2"])
def test_fp16_artifacts_are_accurate_to_three_digits(format, exported: Exported, vgg19_weights: Weights) -> None:
    exact = load_vgg_features(vgg19_weights, TAPS).double()
    image = noise(1, 3, 40, 33)
    for tap, features in open_extractor(exported(format, "fp16"), "cpu")(image).items():
        expected = exact(image.double())[tap]
        assert features.dtype is torch.float32
        assert 1e-5 < (features - expected).norm() / expected.norm() < 1e-3


def test_fp16_onnx_graph_computes_in_fp16(exported: Exported) -> None:
    model = onnx.load(exported("onnx", "fp16"))
    types = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    assert len(convolutions) == 5
    assert {types[name] for node in convolutions for name in node.input[1:]} == {onnx.TensorProto.FLOAT16}
    casts = [node for node in model.graph.node if node.op_type == "Cast"]
    assert len(casts) == 1 + len(TAPS)  # the image and each tap; none in between


def test_activations_above_the_fp16_maximum_are_represented(tmp_path: Path, tiny_vgg: None) -> None:
    weights = load_weights("vgg19")
    for name in ("conv1_1.weight", "conv1_1.bias"):
        weights.state[name] = weights.state[name] * 100
    image = noise(1, 3, 16, 16)
    exact = load_vgg_features(weights, ["relu2_1"]).double()(image.double())["relu2_1"]
    assert exact.max() > torch.finfo(torch.float16).max
    export_extractor(tmp_path / "e.onnx", weights, ["relu2_1"], format="onnx", precision="fp16")
    features = open_extractor(tmp_path / "e.onnx", "cpu")(image)["relu2_1"]
    assert (features - exact).norm() < 1e-3 * exact.norm()
