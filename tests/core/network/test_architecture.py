"""The layer tables against those of torchvision."""

import ast
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from torch import nn

import core.network.architecture
from core.errors import UsageError
from core.network.architecture import (
    ARCHITECTURES,
    canonical_layer_name,
    convolutions,
    layer_of_parameter,
    layers,
    truncated,
)

TORCHVISION_TABLE = {"vgg16": "D", "vgg19": "E"}
KINDS = {nn.Conv2d: "conv", nn.ReLU: "relu", nn.MaxPool2d: "pool"}


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_layers_equal_those_of_torchvision(arch):
    from torchvision.models import vgg as torchvision_vgg  # slow, so only in the process that needs it

    features = torchvision_vgg.make_layers(torchvision_vgg.cfgs[TORCHVISION_TABLE[arch]])

    table = layers(arch)

    assert [layer.kind for layer in table] == [KINDS[type(module)] for module in features]
    assert [layer.torchvision_index for layer in table] == list(range(len(features)))
    for layer, module in zip(table, features, strict=True):
        if layer.kind == "conv":
            assert (layer.in_channels, layer.out_channels) == (module.in_channels, module.out_channels)


def test_channels_and_strides_continue_from_layer_to_layer():
    for arch in ARCHITECTURES:
        table = layers(arch)
        assert table[0].in_channels == 3
        for before, after in pairwise(table):
            assert after.in_channels == before.out_channels
            assert after.stride == before.stride * (2 if after.kind == "pool" else 1)


def test_names_and_strides_of_known_layers():
    by_name = {layer.name: layer for layer in layers("vgg19")}

    assert by_name["relu1_1"].stride == 1
    assert by_name["pool1"].stride == 2
    assert by_name["conv5_1"].stride == 16
    assert by_name["pool5"].stride == 32
    assert by_name["conv4_2"].torchvision_index == 21  # the index in most code for style transfer
    assert [conv.name for conv in convolutions("vgg16")][-3:] == ["conv5_1", "conv5_2", "conv5_3"]


def test_truncated_ends_with_the_deepest_tap():
    assert [layer.name for layer in truncated("vgg19", ["conv2_1", "relu1_1"])] == [
        "conv1_1",
        "relu1_1",
        "conv1_2",
        "relu1_2",
        "pool1",
        "conv2_1",
    ]
    assert truncated("vgg16", ["pool5"]) == layers("vgg16")
    assert truncated("vgg16", ["conv_1_2"])[-1].name == "relu1_2"


def test_canonical_layer_name_maps_firekind_names_to_relus():
    for arch in ARCHITECTURES:
        for layer in layers(arch):
            assert canonical_layer_name(layer.name, arch) == layer.name

    assert canonical_layer_name("conv_4_2", "vgg19") == "relu4_2"
    assert canonical_layer_name("conv4_2", "vgg19") == "conv4_2"


@pytest.mark.parametrize(
    ("name", "arch", "message"),
    [
        (
            "relu3_4",
            "vgg16",
            "'relu3_4' in vgg16, which has conv1_1 … conv5_3, relu1_1 … relu5_3, pool1 … pool5",
        ),
        ("relu42", "vgg19", "did you mean relu4_2?"),
        ("conv_9_9", "vgg19", "'conv_9_9' in vgg19"),
        ("", "vgg19", "'' in vgg19"),
        ("relu4_2", "vgg11", "unknown architecture 'vgg11': use vgg16 or vgg19"),
    ],
)
def test_unknown_layer_lists_the_known_ones(name, arch, message):
    with pytest.raises(UsageError) as error:
        canonical_layer_name(name, arch)
    assert message in str(error.value)


def test_truncated_without_taps_is_an_error():
    with pytest.raises(UsageError, match="at least one"):
        truncated("vgg19", [])


@pytest.mark.parametrize(
    ("tensor", "layer"),
    [
        ("features.0.weight", "conv1_1"),
        ("module.features.28.bias", "conv5_1"),
        ("28.bias", "conv5_1"),
        ("block5_conv1/block5_conv1_W_1:0", "conv5_1"),
        ("block5_conv1/kernel:0", "conv5_1"),
        ("conv5_1.weight", "conv5_1"),
        ("layers.conv5_1.weight", "conv5_1"),
        ("classifier.0.weight", None),
        ("fc6.weight", None),
        ("predictions/kernel:0", None),
    ],
)
def test_layer_of_parameter_recognises_the_names_of_other_programs(tensor, layer):
    assert layer_of_parameter(tensor, "vgg19") == layer


@pytest.mark.parametrize("tensor", ["features.1.running_mean", "features.17.weight", "conv6_1.weight"])
def test_layer_of_parameter_of_another_network_is_an_error(tensor):
    with pytest.raises(UsageError, match="has no convolution for"):
        layer_of_parameter(tensor, "vgg19")


def test_architecture_imports_only_the_standard_library():
    tree = ast.parse(Path(core.network.architecture.__file__).read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}

    assert imported - sys.stdlib_module_names <= {"collections.abc", "core.errors"}
