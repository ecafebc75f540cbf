"""The settings of a page."""

import json
from pathlib import Path

import pytest

from core.artifacts.manifest import read_manifest
from core.multiscale.preparation import GRADIENT_RATIO_AT_HALF
from export.web.settings import page_settings


def test_page_settings_are_json_with_the_constants_of_python(shallow_objective: Path) -> None:
    manifest = read_manifest(shallow_objective, kind="objective")
    targets = {"content": {"a": "b"}, "style": {"c": "d"}}
    settings = json.loads(json.dumps(page_settings(manifest, targets, {"content": ["x.jpg"]}, {"x.jpg": "0"})))
    assert settings["optimizer"] == {
        "history": 20,
        "initial_step_rms": 0.01,
        "sufficient_decrease": 1e-4,
        "min_shrinkage": 0.1,
        "max_shrinkage": 0.5,
        "max_backtracks": 8,
        "min_curvature": 1e-10,
        "luminance_scale": 0.25,
        "min_rms": 1e-30,
        "min_yth0y": 1e-300,
    }
    assert settings["schedule"] == {
        "scale_factor": 2,
        "min_scale_size": 128,
        "min_side": 16,
        "padding": 16,
        "reference_size": 512,
        "content_scaling": 3,
        "tv_scaling": 1.5,
    }
    assert settings["gradient_ratio_at_half"] == GRADIENT_RATIO_AT_HALF
    assert settings["variance_floor"] == {"relative": 1e-3, "absolute": 1e-9}
    assert settings["color_matching"] == {"min_eigenvalue": 1e-8}
    assert settings["targets"] == targets
    assert settings["examples"] == {"content": ["x.jpg"]}
    assert settings["files"] == {"x.jpg": "0"}
    assert settings["objective"]["content_taps"] == ["relu3_1"]


def test_page_settings_scale_the_default_weights_to_the_network(shallow_objective: Path) -> None:
    """Content losses grow with the square of the activations, Gram losses with their fourth power."""
    manifest = read_manifest(shallow_objective, kind="objective")
    weights = page_settings(manifest, {}, {}, {})["weights"]
    assert weights["content"] == pytest.approx([1 / manifest.activation_scale**2])
    expected = [(560 / channels) ** 5 / manifest.activation_scale**4 for channels in (64, 128)]
    assert weights["style"] == pytest.approx(expected)
    assert weights["tv"] == 4000
