"""The fixture `tiny_vgg`: small networks within a test, the published ones after it."""

import pytest
import torch

from core.errors import UsageError
from core.network.architecture import ARCHITECTURES, layers
from core.network.vgg import load_vgg_features
from core.network.weights import load_weights
from support.tiny_vgg import TINY_CHANNELS, use_tiny_vgg


def test_tiny_vgg_changes_only_the_channels() -> None:
    published = {arch: layers(arch) for arch in ARCHITECTURES}
    with use_tiny_vgg():
        for arch, table in published.items():
            tiny = layers(arch)
            assert [(layer.name, layer.stride) for layer in tiny] == [(layer.name, layer.stride) for layer in table]
            assert {layer.out_channels for layer in tiny} == set(TINY_CHANNELS)
    assert {arch: layers(arch) for arch in ARCHITECTURES} == published


@pytest.mark.parametrize(
    ("arch", "source", "preprocessing"),
    [("vgg19", "oxford", "caffe"), ("vgg19", "torchvision", "torchvision"), ("vgg16", "torchvision", "torchvision")],
)
def test_tiny_vgg_loads_the_same_random_weights_from_each_named_source(
    tiny_vgg: None, arch: str, source: str, preprocessing: str
) -> None:
    first, second = load_weights(arch, source), load_weights(arch, source)
    assert (first.arch, first.source, first.preprocessing.name) == (arch, source, preprocessing)
    assert first.sha256 == second.sha256
    assert all(torch.equal(first.state[key], second.state[key]) for key in first.state)
    features = load_vgg_features(first, ["relu5_1"])(torch.rand(1, 3, 32, 32))["relu5_1"]
    assert features.shape == (1, TINY_CHANNELS[-1], 2, 2)
    assert features.std() > 0


def test_tiny_vgg_keeps_the_errors_of_unavailable_weights(tiny_vgg: None) -> None:
    with pytest.raises(UsageError, match="not a vgg16"):
        load_weights("vgg16")
    with pytest.raises(UsageError, match=r"no weights 'missing\.pth'"):
        load_weights("vgg19", "missing.pth")
