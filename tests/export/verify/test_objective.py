"""Distance of an image from points where the gradient jumps."""

import pytest
import torch

from core.network.vgg import load_vgg_features
from core.network.weights import load_weights
from export.verify.objective import distance_from_nondifferentiability

LAYERS = ("conv1_1", "relu1_1", "conv1_2", "relu1_2", "pool1")

pytestmark = pytest.mark.usefixtures("tiny_vgg")


@pytest.mark.parametrize(("pooling", "jumps"), [("max", True), ("average", False)])
def test_equal_maxima_are_nondifferentiable_for_max_pooling_only(pooling: str, jumps: bool) -> None:
    extractor = load_vgg_features(load_weights("vgg19"), LAYERS, pooling=pooling).double()
    flat = torch.full((1, 3, 16, 16), 0.7, dtype=torch.float64)
    assert (distance_from_nondifferentiability(extractor, flat) < 1e-12) is jumps


def test_zero_input_of_a_relu_is_nondifferentiable() -> None:
    weights = load_weights("vgg19")
    image = torch.rand((1, 3, 16, 16), generator=torch.Generator().manual_seed(0))
    extractor = load_vgg_features(weights, ("conv1_1", "relu1_1"))
    assert distance_from_nondifferentiability(extractor, image) > 0
    # With this bias one input of the ReLU is exactly 0.
    weights.state["conv1_1.bias"] = weights.state["conv1_1.bias"] - extractor(image)["conv1_1"][0, :, 5, 5]
    shifted = load_vgg_features(weights, ("conv1_1", "relu1_1")).double()
    assert distance_from_nondifferentiability(shifted, image.double()) < 1e-5
