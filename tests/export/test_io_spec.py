"""Specifications of inputs and outputs: descriptions, example values, dynamic shapes and tolerances."""

from dataclasses import replace
from typing import get_args

import pytest

from core.artifacts.manifest import Precision
from core.artifacts.runtimes import ONNX_RUNTIME, Execution
from core.errors import UsageError
from core.network.architecture import truncated
from core.network.vgg import load_vgg_features
from core.network.weights import load_weights
from export.io_spec import (
    RUNTIME_TOLERANCES,
    TOLERANCES,
    extractor_inputs,
    extractor_outputs,
    flatten,
    objective_inputs,
    objective_outputs,
    tolerances_of,
    with_lengths,
)
from support.manifests import MANIFEST


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


def test_example_has_no_axis_of_length_1() -> None:
    (image,) = flatten(extractor_inputs())
    assert tuple(image.example().shape) == (2, 3, 32, 48)


def test_extractor_outputs_have_the_shapes_of_the_network(tiny_vgg: None) -> None:
    (image,) = (spec.example() for spec in flatten(extractor_inputs()))
    taps = ["relu1_1", "relu4_2", "pool5"]
    features = load_vgg_features(load_weights("vgg19"), taps)(image)
    sides = dict(zip(("batch", "_", "height", "width"), image.shape, strict=True))
    for spec in extractor_outputs("vgg19", taps):
        expected = [side if isinstance(side, int) else eval(side, {}, sides) for side in spec.shape]
        assert list(features[spec.name].shape) == expected


def test_with_lengths_fixes_every_axis_that_depends_on_them() -> None:
    inputs = objective_inputs(truncated("vgg19", ["relu4_1"]), ["relu4_1"], ["relu1_1"], "nearest")
    fixed = flatten(with_lengths(inputs, {"height": 35, "width": 16}))
    assert [spec.shape for spec in fixed][:3] == [(1, 3, 35, 16), (1, 512, 4, 2), (1, 64, 35, 16)]
    assert with_lengths(inputs, {"height": 35})["image"].shape == (1, 3, 35, "width")
    with pytest.raises(UsageError, match=r"^the width is 15 pixels: these layers need at least 16$"):
        with_lengths(inputs, {"height": 16, "width": 15})


def test_dynamic_shape_has_the_named_axes() -> None:
    inputs = extractor_inputs()
    shapes = [spec.dynamic_shape() for spec in flatten(inputs) + flatten(with_lengths(inputs, {"height": 35}))]
    assert [sorted(shape) for shape in shapes] == [[0, 2, 3], [0, 3]]


def test_tolerances_exist_for_each_kind_and_precision() -> None:
    for precision in get_args(Precision):
        quantities = {"features"} if precision == "int8" else {"features", "gradient"}  # int8 has no gradients
        assert TOLERANCES["extractor", precision].keys() == quantities
    assert TOLERANCES["objective", "fp32"].keys() == {"loss", "gradient"}


def test_tolerances_follow_kind_precision_and_format() -> None:
    assert tolerances_of(replace(MANIFEST, precision="int8")) == TOLERANCES["extractor", "int8"]
    assert tolerances_of(replace(MANIFEST, format="aoti")) == TOLERANCES["extractor", "aoti"]
    objective = replace(MANIFEST, kind="objective", style_loss="nearest")
    assert tolerances_of(objective) == TOLERANCES["objective", "fp32"]


@pytest.mark.parametrize("execution", [*RUNTIME_TOLERANCES, ONNX_RUNTIME], ids=str)
@pytest.mark.parametrize("kind", ["extractor", "objective"])
def test_a_tolerance_is_the_larger_one_of_weights_and_runtime(kind: str, execution: Execution) -> None:
    stored = TOLERANCES[kind, "fp32"]
    allowed = tolerances_of(replace(MANIFEST, kind=kind, style_loss=""), execution)
    assert allowed.keys() == stored.keys()
    for quantity, tolerance in allowed.items():
        assert tolerance == max(stored[quantity], RUNTIME_TOLERANCES.get(execution, stored)[quantity])
