"""The network in a graph against PyTorch: features and gradients in float64, and features in float16."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from core.network.architecture import Pooling
from core.network.vgg import VGGFeatures, load_vgg_features
from core.network.weights import load_weights
from export.graph.model import build_model
from export.graph.network import GraphNetwork
from export.graph.values import Value
from support.graphs import run_exactly
from support.objectives import noise, relative_difference

TAPS = ("relu1_1", "pool1", "relu2_2")

pytestmark = pytest.mark.usefixtures("tiny_vgg")


def exact_extractor(source: str = "oxford", pooling: Pooling = "max") -> VGGFeatures:
    weights = load_weights("vgg19", source)
    exact = replace(weights, state={name: values.double() for name, values in weights.state.items()})
    return load_vgg_features(exact, TAPS, pooling=pooling)


@pytest.mark.parametrize("source", ["oxford", "torchvision"])
@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("size", [(16, 16), (19, 22)])
def test_features_and_gradient_equal_those_of_pytorch(source: str, pooling: Pooling, size: tuple[int, int]) -> None:
    """The networks expect other channel orders and ranges; the gradient enters at three layers."""
    extractor, image = exact_extractor(source, pooling), noise(1, 3, *size).requires_grad_()
    expected = extractor(image)
    grads = {tap: noise(*features.shape, seed=2) - 0.5 for tap, features in expected.items()}
    (gradient,) = torch.autograd.grad([*expected.values()], image, [*grads.values()])

    network, value = GraphNetwork(extractor), Value.of_input(np.float64, [1, 3, None, None])
    inputs = {tap: Value.of_input(np.float64, [None] * 4) for tap in TAPS}
    features = network.features(value)
    outputs = {f"features/{tap}": features[tap] for tap in TAPS} | {"gradient": network.backward(features, inputs)}
    model = build_model({"image": value, **inputs}, outputs, network.initializers)
    feeds = {"image": image.detach().numpy()} | {tap: grad.numpy() for tap, grad in grads.items()}
    found = run_exactly(model, feeds)
    assert relative_difference(found["gradient"], gradient) < 1e-14
    for tap in TAPS:
        assert relative_difference(found[f"features/{tap}"], expected[tap].detach()) < 1e-14


def test_layers_end_at_the_deepest_tap_and_have_the_names_of_the_weights() -> None:
    network = GraphNetwork(exact_extractor())
    assert [layer.name for layer in network.layers] == [
        *("conv1_1", "relu1_1", "conv1_2", "relu1_2", "pool1", "conv2_1", "relu2_1", "conv2_2", "relu2_2")
    ]
    convolutions = ("conv1_1", "conv1_2", "conv2_1", "conv2_2")
    assert [*network.initializers.arrays] == [f"{name}.{kind}" for name in convolutions for kind in ("weight", "bias")]


def test_float16_divides_activations_that_it_could_not_represent() -> None:
    """Without the division the features would be infinite: here they are 100 times those of the tiny network."""
    weights = load_weights("vgg19")
    weights.state["conv1_1.weight"] = weights.state["conv1_1.weight"] * 100
    extractor, image = load_vgg_features(weights, TAPS), noise(1, 3, 16, 18).float()
    expected = extractor(image)
    assert expected["relu2_2"].max() > np.finfo(np.float16).max
    network, value = GraphNetwork(extractor, half_scale=128.0), Value.of_input(np.float32, [1, 3, None, None])
    assert {array.dtype for array in network.initializers.arrays.values()} == {np.dtype(np.float16)}
    features = network.features(value)
    model = build_model({"image": value}, {tap: features[tap] for tap in TAPS}, network.initializers)
    found = run_exactly(model, {"image": image.numpy()})
    for tap in TAPS:
        assert found[tap].dtype == np.float32
        assert relative_difference(found[tap], expected[tap]) < 3e-3
