"""Verification of painters: which runs are compared, and calls that do not fit together."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.artifacts.manifest import Manifest
from core.artifacts.painter import OnnxPainter, PainterStep
from core.config.transfer_config import TransferConfig
from core.errors import StyleTransferError
from core.network.weights import load_weights
from export.verify.painter import EVALUATIONS, verify_painter
from support.painters import write_painter

pytestmark = pytest.mark.usefixtures("tiny_vgg")


@pytest.fixture(scope="module")
def painter(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    """A painter with few layers, whose verification has a run of two scales."""
    path = tmp_path_factory.mktemp("painter") / "painter.onnx"
    config = TransferConfig(content_layers="relu1_1", style_layers="relu1_1", min_scale_size=20, history=3, padding=0)
    return path, write_painter(path, config)


def test_runs_of_one_scale_and_of_two_are_compared(painter: tuple[Path, Manifest]) -> None:
    report = verify_painter(*painter, load_weights("vgg19"))
    assert report.passed
    assert [(row.quantity, row.case) for row in report.rows] == [
        (quantity, case) for case in ("24 x 33", "32 x 64") for quantity in ("loss", "image")
    ]


def change_steps(monkeypatch: pytest.MonkeyPatch, change: Callable[[PainterStep, int | None], PainterStep]) -> None:
    """Replace the steps of painters; `change` gets each with the number of passes in a call."""
    paint = OnnxPainter.paint

    def changed(*arguments: Any, passes: int | None = None, **settings: Any) -> Iterator[PainterStep]:
        for step in paint(*arguments, passes=passes, **settings):
            yield change(step, passes)

    monkeypatch.setattr(OnnxPainter, "paint", changed)


def test_another_image_of_divided_calls_is_an_error(
    painter: tuple[Path, Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    change_steps(monkeypatch, lambda step, passes: replace(step, image=step.image ^ np.uint8(1)) if passes else step)
    with pytest.raises(StyleTransferError, match="gives another image if its evaluations are divided: export it again"):
        verify_painter(*painter, load_weights("vgg19"))


def test_another_number_of_evaluations_is_an_error(
    painter: tuple[Path, Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    change_steps(monkeypatch, lambda step, passes: replace(step, losses=step.losses[:-1]) if step.finished else step)
    with pytest.raises(StyleTransferError, match=rf"made {EVALUATIONS - 1} evaluations .* instead of {EVALUATIONS}$"):
        verify_painter(*painter, load_weights("vgg19"))
