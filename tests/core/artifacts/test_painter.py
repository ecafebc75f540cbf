"""Painters that ONNX Runtime runs: steps, continued runs, and refusals in one sentence."""

from pathlib import Path

import numpy as np
import pytest

from core.artifacts.painter import OnnxPainter, Status
from core.config.transfer_config import TransferConfig
from core.errors import StyleTransferError, UsageError
from support.painters import write_painter

CONTENT = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
STYLE = np.random.default_rng(1).integers(0, 256, (40, 40, 3), np.uint8)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A painter of a tiny network."""
    path = tmp_path_factory.mktemp("painter") / "painter.onnx"
    write_painter(
        path, TransferConfig(content_layers="relu1_1", style_layers="relu1_1", iterations=8, min_scale_size=30)
    )
    return path


def test_a_run_ends_with_its_evaluations(path: Path) -> None:
    steps = [*OnnxPainter(path, "cpu").paint(CONTENT, STYLE)]
    assert [step.finished for step in steps] == [False, True]
    assert sum(len(step.losses) for step in steps) == steps[-1].evaluations == 8
    assert steps[-1].image.shape == CONTENT.shape
    assert steps[-1].losses[-1] < steps[-1].losses[0]


def test_a_run_continues_from_a_state(path: Path) -> None:
    painter = OnnxPainter(path, "cpu")
    steps = [*painter.paint(CONTENT, STYLE, passes=3, evaluations=6, strength=0.7, image_size=50)]
    assert len(steps) > 2
    rest = [*painter.paint(CONTENT, STYLE, evaluations=6, strength=0.7, image_size=50, state=steps[1].state)]
    np.testing.assert_array_equal(rest[-1].image, steps[-1].image)


def test_a_refusal_is_one_sentence(path: Path) -> None:
    with pytest.raises(StyleTransferError, match="the painter refuses its inputs: an image has, at this image_size"):
        next(OnnxPainter(path, "cpu").paint(CONTENT[:10], STYLE))
    with pytest.raises(StyleTransferError, match="ONNX Runtime failed with content"):
        next(OnnxPainter(path, "cpu").paint(CONTENT[..., :2], STYLE))


def test_other_artifacts_are_refused(exported: object) -> None:
    with pytest.raises(UsageError, match="holds an extractor, where a painter was expected"):
        OnnxPainter(exported("onnx"))  # type: ignore[operator]


def test_every_status_has_a_meaning() -> None:
    assert len({status.meaning for status in Status}) == len(Status)
