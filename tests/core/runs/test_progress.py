"""What a run reports: images with the alpha of the content, losses of saved files, and errors."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from core import Progress, Result, RunFailedError, TransferConfig, UsageError, stylize
from core.backends.torch_backend import TorchBackend
from core.errors import StyleTransferError
from core.image.compositing import over_white
from core.image.embedded_record import read_record
from core.image.reading import read_image
from core.image.resize import resize
from core.image.writing import quantize
from core.styles import StyleExemplar
from support.images import pixels_of

pytestmark = pytest.mark.usefixtures("tiny_vgg")

QUICK = TransferConfig(image_size=64, iterations=6)


@pytest.fixture
def cut_path(content_path: Path, tmp_path: Path) -> Path:
    """The content image with a horizontal ramp from transparent to opaque."""
    with Image.open(content_path) as opaque:
        cut = opaque.convert("RGBA")
    cut.putalpha(Image.linear_gradient("L").rotate(90).resize(cut.size))
    cut.save(tmp_path / "cut.png")
    return tmp_path / "cut.png"


def last_progress(content: Path, style: Path, config: TransferConfig) -> tuple[Progress, Result]:
    steps: list[Progress] = []
    result = stylize(content, style, config, callback=steps.append)
    return steps[-1], result


def test_colors_over_white_are_the_image_of_the_step(cut_path: Path, style_path: Path) -> None:
    config = QUICK.with_options(scales=2, min_scale_size=32, iterations=2)
    steps: list[Progress] = []
    stylize(cut_path, style_path, config, callback=steps.append)
    assert {step.size for step in steps} == {(32, 22), (64, 43)}
    for step in steps:
        width, height = step.size
        assert step.alpha is not None
        assert step.alpha.shape == (1, 1, height, width)
        assert step.image.size == step.size
        visible = step.alpha[0, 0] > 0.2
        # Where the optimised image is darker than alpha allows, the colours are clipped to black.
        attainable = np.maximum(step.pixels, 1 - step.alpha)
        found = over_white(step.colors, step.alpha)
        np.testing.assert_allclose(found[0][:, visible], attainable[0][:, visible], atol=1e-5)


def test_an_opaque_content_has_no_alpha(content_path: Path, style_path: Path) -> None:
    step, result = last_progress(content_path, style_path, QUICK.with_options(iterations=1))
    assert step.alpha is None
    assert step.colors is step.pixels
    assert result.image.mode == "RGB"


def test_the_delivered_loss_is_that_of_the_saved_file(content_path: Path, style_path: Path, tmp_path: Path) -> None:
    config = QUICK.with_options(padding=0, reference_size=0, style_weight=1)
    result = stylize(content_path, style_path, config)
    result.save(tmp_path / "output.png")
    saved = read_image(tmp_path / "output.png").pixels
    np.testing.assert_allclose(saved, quantize(result.pixels), atol=1e-7)
    backend = TorchBackend(config)
    content, style = (read_image(path).pixels for path in (content_path, style_path))
    plan = backend.plan((64, 43), (58, 64))
    objective = backend.objective(resize(content, (64, 43)), [StyleExemplar((resize(style, (58, 64)),))], plan)
    assert objective(torch.from_numpy(saved)).loss == pytest.approx(result.record["delivered"]["loss"], rel=1e-5)


@pytest.mark.parametrize("name", ["content_path", "cut_path"])
def test_the_last_step_has_the_delivered_loss_of_the_result(
    name: str, style_path: Path, request: pytest.FixtureRequest
) -> None:
    step, result = last_progress(request.getfixturevalue(name), style_path, QUICK)
    assert step.delivered_loss(8) == result.record["delivered"]
    assert step.delivered_loss(8).keys() == {"loss", *step.parts}


def test_more_bits_bring_the_delivered_loss_nearer_to_that_of_the_step(content_path: Path, style_path: Path) -> None:
    step, _ = last_progress(content_path, style_path, QUICK)
    differences = {bit_depth: abs(step.delivered_loss(bit_depth)["loss"] - step.loss) for bit_depth in (8, 16)}
    assert differences[16] < differences[8] / 10


def test_a_result_is_saved_with_alpha_and_record(cut_path: Path, style_path: Path, tmp_path: Path) -> None:
    _, result = last_progress(cut_path, style_path, QUICK.with_options(iterations=1))
    result.save(tmp_path / "o.png")
    np.testing.assert_array_equal(pixels_of(tmp_path / "o.png"), np.asarray(result.image))
    assert result.image.mode == "RGBA"
    assert '"iterations": 1' in (read_record(tmp_path / "o.png") or "")


@pytest.mark.parametrize(
    ("cause", "message"),
    [
        (StyleTransferError("the disk is full"), "the disk is full"),
        (UsageError("--seed is -1"), "--seed is -1"),
        (RuntimeError("boom\nand more"), "unexpected RuntimeError: boom"),
        (AssertionError(), "unexpected AssertionError: AssertionError"),
    ],
)
def test_a_failed_run_names_its_cause_in_one_line(cause: Exception, message: str) -> None:
    result = Result(np.zeros((1, 3, 2, 2), np.float32), None, {})
    failed = RunFailedError(cause, result)
    assert (str(failed), failed.exit_status) == (message, 1)
    assert failed.result is result
