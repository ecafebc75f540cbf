"""Verification of extractor artifacts."""

from collections.abc import Callable
from pathlib import Path

import pytest

from core.network.vgg import load_vgg_features
from core.network.weights import Weights, load_weights
from export.verify.extractor import SHAPES, synthetic_image, verify_extractor

TAPS = ("relu1_1", "relu2_1", "relu3_1")


@pytest.mark.parametrize("format", ["torchscript", "onnx", "pt2"])
def test_verify_extractor_compares_every_tap_at_every_size(
    format, exported: Callable[..., Path], vgg19_weights: Weights
) -> None:
    report = verify_extractor(exported(format), load_vgg_features(vgg19_weights, TAPS))
    assert report.passed
    quantities = [row.quantity for row in report.rows]
    assert quantities.count("features") == len(SHAPES) * len(TAPS)
    assert quantities.count("gradient") == (0 if format == "onnx" else len(SHAPES))
    assert "relu3_1, 2 × 33 × 47" in [row.case for row in report.rows]


def test_verify_extractor_fails_from_the_layer_whose_weights_differ(exported: Callable[..., Path]) -> None:
    weights = load_weights("vgg19")
    weights.state["conv2_1.weight"] = weights.state["conv2_1.weight"] * 1.01
    report = verify_extractor(exported("onnx"), load_vgg_features(weights, TAPS))
    failed = {row.case.partition(",")[0] for row in report.rows if not row.passed}
    passed = {row.case.partition(",")[0] for row in report.rows if row.passed}
    assert (failed, passed) == ({"relu2_1", "relu3_1"}, {"relu1_1"})


def test_synthetic_image_has_values_at_both_ends_of_the_range() -> None:
    image = synthetic_image((2, 3, 33, 47), seed=0)
    assert image.shape == (2, 3, 33, 47)
    assert (image.min(), image.max()) == (0, 1)
