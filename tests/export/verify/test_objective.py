"""How far a picture is from where the gradient jumps."""

import pytest
import torch

from core.network.vgg import load_vgg_features
from core.network.weights import load_weights
from export.verify.objective import distance_from_kinks

LAYERS = ("conv1_1", "relu1_1", "conv1_2", "relu1_2", "pool1")


@pytest.mark.parametrize(("pooling", "jumps"), [("max", True), ("average", False)])
def test_equal_values_in_a_window_are_a_kink_of_the_maximum_alone(pooling: str, jumps: bool) -> None:
    extractor = load_vgg_features(load_weights("vgg19"), LAYERS, pooling=pooling).double()
    flat = torch.full((1, 3, 16, 16), 0.7, dtype=torch.float64)
    assert (distance_from_kinks(extractor, flat) < 1e-12) is jumps


def test_a_relu_has_a_kink_where_nothing_enters() -> None:
    weights = load_weights("vgg19")
    image = torch.rand((1, 3, 16, 16), generator=torch.Generator().manual_seed(0))
    extractor = load_vgg_features(weights, ("conv1_1", "relu1_1"))
    assert distance_from_kinks(extractor, image) > 0
    # Shifted so that one value is exactly 0 before the ReLU.
    weights.state["conv1_1.bias"] = weights.state["conv1_1.bias"] - extractor(image)["conv1_1"][0, :, 5, 5]
    assert distance_from_kinks(load_vgg_features(weights, ("conv1_1", "relu1_1")).double(), image.double()) < 1e-5
