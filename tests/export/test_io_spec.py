"""Specifications of inputs and outputs: descriptions, example values, dynamic shapes and tolerances."""

from typing import get_args

import pytest
import torch

from core.artifacts.manifest import Precision
from core.artifacts.runtimes import ONNX_RUNTIME, Execution
from core.config.style_losses import style_loss_spec
from core.network.architecture import truncated
from core.network.vgg import load_vgg_features
from core.network.weights import load_weights
from export.io_spec import (
    RUNTIME_TOLERANCES,
    STYLE_LOSS,
    TOLERANCES,
    dynamic_shapes,
    examples,
    extractor_inputs,
    extractor_outputs,
    flatten,
    objective_inputs,
    objective_outputs,
    tolerances_of,
)
from export.objective.module import ObjectiveModule


def test_extractor_specs_describe_shapes() -> None:
    (image,) = flatten(extractor_inputs())
    assert image.describe() == ("float32 (batch, 3, height, width), RGB in [0, 1], height and width at least 16")
    meaning = "features of the published network, not divided by activation_scale"
    outputs = {spec.name: spec.describe() for spec in extractor_outputs("vgg19", ["relu1_1", "pool5"])}
    assert outputs == {
        "relu1_1": f"float32 (batch, 64, height, width), {meaning}",
        "pool5": f"float32 (batch, 512, height // 32, width // 32), {meaning}",
    }


def test_describe_writes_shapes_as_tuples() -> None:
    specs = {spec.name: spec.describe() for spec in objective_outputs()}
    assert specs["loss"].startswith("float32 (), ")
    inputs = objective_inputs(truncated("vgg19", ["relu2_1"]), ["relu2_1"], ["relu1_1"])
    assert inputs["tv_weight"].describe().startswith("float32 (1,), ")


@pytest.mark.parametrize(("deepest", "least"), [("relu3_1", 16), ("relu5_1", 16), ("pool5", 32)])
def test_smallest_side_gives_the_deepest_layer_one_position(deepest: str, least: int) -> None:
    image = objective_inputs(truncated("vgg19", [deepest]), [deepest], [deepest])["image"]
    assert image.min_side == least
    assert image.describe().endswith(f"height and width at least {least}")


@pytest.mark.parametrize("deepest", ["relu3_1", "pool5"])
def test_examples_are_valid_arguments_without_axes_of_length_1(deepest: str, tiny_vgg: None) -> None:
    module = ObjectiveModule(load_weights("vgg19"), [deepest], ["relu1_1", deepest], "max")
    inputs = objective_inputs(module.network_layers, module.content_taps, module.style_taps)
    image, content, *_ = arguments = examples(inputs)
    assert min(*image.shape[2:], *content[0].shape[2:]) > 1
    outputs = module(*arguments)
    shapes = [tuple(output.shape) for output in outputs]
    assert shapes == [(), tuple(image.shape), (), (), ()]
    assert len(shapes) == len(objective_outputs())


def test_extractor_outputs_have_the_shapes_of_the_network(tiny_vgg: None) -> None:
    (image,) = examples(extractor_inputs())
    taps = ["relu1_1", "relu4_2", "pool5"]
    features = load_vgg_features(load_weights("vgg19"), taps)(image)
    sides = dict(zip(("batch", "_", "height", "width"), image.shape, strict=True))
    for spec in extractor_outputs("vgg19", taps):
        expected = [side if isinstance(side, int) else eval(side, {}, sides) for side in spec.shape]
        assert list(features[spec.name].shape) == expected


def test_dynamic_shapes_are_the_named_axes() -> None:
    inputs = objective_inputs(truncated("vgg19", ["relu2_1"]), ["relu2_1"], ["relu1_1"])
    shapes = dynamic_shapes(inputs)
    assert list(shapes) == list(inputs)
    assert (sorted(shapes["image"]), sorted(shapes["content"][0])) == ([2, 3], [2, 3])
    assert shapes["grams"] == [{}]
    assert shapes["tv_weight"] == {}
    assert shapes["content"][0][2] is torch.export.Dim.AUTO
    assert sorted(dynamic_shapes(extractor_inputs())["image"]) == [0, 2, 3]


def test_tolerances_exist_for_each_kind_and_precision() -> None:
    for precision in get_args(Precision):
        assert TOLERANCES["extractor", precision].keys() == {"features", "gradient"}
    assert TOLERANCES["objective", "fp32"].keys() == {"loss", "gradient"}


@pytest.mark.parametrize("execution", [*RUNTIME_TOLERANCES, ONNX_RUNTIME], ids=str)
def test_a_tolerance_is_the_larger_one_of_weights_and_runtime(execution: Execution) -> None:
    for (kind, precision), stored in TOLERANCES.items():
        allowed = tolerances_of(kind, precision, execution)
        assert allowed.keys() == stored.keys()
        for quantity, tolerance in allowed.items():
            assert tolerance == max(stored[quantity], RUNTIME_TOLERANCES.get(execution, stored)[quantity])


def test_style_loss_is_registered_as_exportable() -> None:
    assert style_loss_spec(STYLE_LOSS).exportable
