"""Objective artifacts that several tests share: real, but of the first layers only, for tracing takes its time."""

from pathlib import Path

import pytest

CONTENT_TAPS, STYLE_TAPS = ("relu3_1",), ("relu1_1", "relu2_1")
OPTIONS = {"content_layers": CONTENT_TAPS, "style_layers": STYLE_TAPS}
"""What a run must ask for to be computed by them. The extractors of the fixture `exported` have these layers."""

_written: dict[str, Path] = {}


def exported_objective(factory: pytest.TempPathFactory, pooling: str = "max") -> Path:
    """The artifact for that pooling, written on first use: do not change."""
    from core.network.weights import load_weights
    from export.objective.graph import export_objective

    if pooling not in _written:
        path = factory.mktemp("objectives") / f"{pooling}.onnx"
        export_objective(path, load_weights("vgg19"), CONTENT_TAPS, STYLE_TAPS, pooling=pooling)
        _written[pooling] = path
    return _written[pooling]
