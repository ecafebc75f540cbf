"""Runs with a painter: the results of PyTorch, and one sentence where the painter does not support the run."""

import math
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

from core.artifacts.manifest import read_manifest
from core.artifacts.painter import PAINTER_OPTIONS, OnnxPainter, PainterStep
from core.config.transfer_config import TransferConfig
from core.errors import StyleTransferError, UsageError
from core.painter_runner import check_painter
from core.runs.checkpoint import Checkpoint
from core.runs.progress import Progress, RunFailedError
from core.style_transfer import stylize
from core.styles import Style
from support.core_commands import batch, transfer
from support.images import pixels_of
from support.painters import write_painter
from support.tiny_vgg import use_tiny_vgg

LAYERS: dict[str, Any] = {"content_layers": "relu1_1", "style_layers": "relu1_1,relu2_1"}
# With the default weights the first layer dominates, and rounding errors soon separate two runs of so few layers.
WEIGHTS: dict[str, Any] = {"style_weight": (100.0, 25.0), "strength": 0.5}
OPTIONS: dict[str, Any] = {**LAYERS, **WEIGHTS, "iterations": 20, "min_scale_size": 32, "history": 4}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Painters of a tiny network with `OPTIONS`: painter.onnx takes bytes, float.onnx takes numbers."""
    folder = tmp_path_factory.mktemp("painters")
    write_painter(folder / "painter.onnx", TransferConfig(**OPTIONS))
    write_painter(folder / "float.onnx", TransferConfig(**OPTIONS), "float")
    with use_tiny_vgg():
        yield folder


def config_for(path: Path, **options: Any) -> TransferConfig:
    return TransferConfig(**OPTIONS | {"painter": path, "device": "cpu", "image_size": 64} | options)


@pytest.mark.parametrize("name", ["painter", "float"])
def test_the_result_is_that_of_pytorch(name: str, folder: Path, content_path: Path, style_path: Path) -> None:
    steps: list[Progress] = []
    result = stylize(content_path, style_path, config_for(folder / f"{name}.onnx"), callback=steps.append)
    expected = stylize(content_path, style_path, config_for(folder, painter=None, precision="fp32"))
    assert result.pixels.shape == expected.pixels.shape
    assert abs(result.pixels - expected.pixels).mean() < 2 / 255
    record = result.record
    assert record["delivered"]["loss"] == pytest.approx(expected.record["delivered"]["loss"], rel=0.01)
    assert record["backend"]["name"] == "painter"
    assert record["backend"]["weights"] == expected.record["backend"]["weights"]
    assert [step.scale for step in steps] == sorted(step.scale for step in steps)
    assert {step.scale for step in steps} == {1, 2}
    assert steps[-1].evaluations == 20
    assert steps[-1].fraction == 1


def test_a_changed_painter_gives_a_warning(
    folder: Path, content_path: Path, style_path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = onnx.load(folder / "painter.onnx")
    model.graph.initializer.append(onnx.helper.make_tensor("more", onnx.TensorProto.FLOAT, [1], [0.0]))
    onnx.save(model, tmp_path / "painter.onnx")
    for path, messages in ((folder / "painter.onnx", 0), (tmp_path / "painter.onnx", 1)):
        caplog.clear()
        stylize(content_path, style_path, config_for(path, image_size=32, iterations=1))
        assert len(caplog.records) == messages
    assert caplog.records[0].getMessage().startswith(f"another program has changed {tmp_path / 'painter.onnx'} since")


def test_openvino_runs_a_painter(folder: Path, content_path: Path, style_path: Path) -> None:
    """Few evaluations: rounding errors grow, and the network is random."""
    openvino = pytest.importorskip("openvino", reason="OpenVINO is not installed")
    records = [
        stylize(content_path, style_path, config_for(folder / "painter.onnx", iterations=4, runtime=runtime)).record
        for runtime in ("onnxruntime", "openvino")
    ]
    losses = [record["delivered"]["loss"] for record in records]
    assert losses[1] == pytest.approx(losses[0], rel=0.01)
    assert records[1]["backend"]["device"] == "cpu"
    assert openvino.__version__.startswith(records[1]["backend"]["openvino"])


def test_the_command_takes_the_options_of_the_painter(
    folder: Path, content_path: Path, style_path: Path, tmp_path: Path
) -> None:
    """Only image size, evaluations and strength may differ."""
    path, output = folder / "painter.onnx", tmp_path / "out.png"
    images = ("-c", content_path, "-s", style_path, "-o", output)
    ran = transfer(*images, "--painter", path, "--image-size", 48, "--iterations", 7, "--strength", 0.8)
    assert ran.exit_code == 0, ran.output
    assert "7 evaluations" in ran.stdout
    assert pixels_of(output).shape == (32, 48, 3)
    other = transfer(*images, "--painter", path, "--history", 9)
    assert other.exit_code == 2
    assert f"{path} was exported with --history 4, but this run uses 9: remove the option" in other.stderr


def test_a_batch_uses_the_painter(folder: Path, content_path: Path, style_path: Path, tmp_path: Path) -> None:
    images = ("-c", content_path, "-s", style_path, "-o", tmp_path / "out")
    ran = batch(*images, "--painter", folder / "painter.onnx", "--image-size", 40, "--iterations", 3)
    assert ran.exit_code == 0, ran.output
    (written,) = (tmp_path / "out").glob("*.png")
    assert pixels_of(written).shape == (27, 40, 3)


def test_a_run_that_is_stopped_or_fails_has_the_best_image(folder: Path, content_path: Path, style_path: Path) -> None:
    config = config_for(folder / "painter.onnx")
    stopped = stylize(content_path, style_path, config, callback=lambda step: step.evaluations > 5)
    assert stopped.record["stopped"]
    assert stopped.pixels.shape == (1, 3, 43, 64)

    def fail(step: Progress) -> bool:
        if step.evaluations > 5:
            raise StyleTransferError("the disk is full")
        return False

    with pytest.raises(RunFailedError, match="the disk is full") as failed:
        stylize(content_path, style_path, config, callback=fail)
    np.testing.assert_array_equal(failed.value.result.pixels, stopped.pixels)


def test_transparency_is_kept(folder: Path, style_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "transparent.png"
    alpha = np.tile(np.linspace(0, 255, 48, dtype=np.uint8), (40, 1))
    pixels = np.random.default_rng(0).integers(0, 256, (40, 48, 3), np.uint8)
    Image.fromarray(np.dstack([pixels, alpha])).save(path)
    result = stylize(path, style_path, config_for(folder / "painter.onnx", iterations=4))
    assert result.alpha is not None
    np.testing.assert_allclose(result.alpha[0, 0] * 255, alpha, atol=0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"style_loss": "moments"}, "was exported with --style-loss gram, but this run uses moments: use"),
        (
            {"content_detail": 0},
            "was exported with --content-detail 0.3, but this run uses 0.0: add --content-detail 0.3",
        ),
        ({"preserve_color": "match"}, "does not support --preserve-color match"),
        ({"bit_depth": 16}, "does not support --bit-depth 16"),
        ({"optimizer": "adam", "averaging": 0.5}, "does not support --averaging 0.5"),
        ({"padding": 3}, "was exported with --padding 16, but this run uses 3"),
        ({"tv_weight": 5}, "was exported with the default --tv-weight, but this run uses 5.0: remove the option, or"),
        ({"pooling": "average"}, "pooling"),
        ({"strength": None}, "was exported with a style strength, but this run has fixed weights: add --strength"),
    ],
)
def test_options_that_the_painter_lacks_are_refused(options: dict[str, Any], message: str, folder: Path) -> None:
    path = folder / "painter.onnx"
    with pytest.raises(UsageError, match=message):
        check_painter(path, read_manifest(path), config_for(path, **options))


def test_every_option_is_in_the_painter_or_has_no_effect_or_is_refused() -> None:
    """A new option needs a place in one of these sets."""
    network = {"arch", "pooling", "weights", "weights_preprocessing", "style_loss", "content_detail"}
    refused = {
        "preserve_color",
        "averaging",
        "bit_depth",
        "precision",
        "tile_size",
        "max_memory",
        "extractor",
        "objective",
    }
    of_the_host = {"painter", "runtime", "device", "quality", "save_every"}
    of_noise = {"seed", "blend"}
    names = [field.name for field in fields(TransferConfig)]
    assert sorted(names) == sorted([*PAINTER_OPTIONS, *network, *refused, *of_the_host, *of_noise])


def test_a_run_checks_the_options(folder: Path, content_path: Path, style_path: Path) -> None:
    with pytest.raises(UsageError, match="does not support --preserve-color match"):
        stylize(content_path, style_path, config_for(folder / "painter.onnx", preserve_color="match"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_missing_device_is_named(folder: Path, content_path: Path, style_path: Path) -> None:
    with pytest.raises(StyleTransferError, match="ONNX Runtime finds no cuda device on this machine"):
        stylize(content_path, style_path, config_for(folder / "painter.onnx", device="cuda"))


def test_a_scale_that_converges_early_is_over(
    folder: Path, content_path: Path, style_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first scale of 30 evaluations needs 3. Its losses are none of the second one."""

    def paint(*arguments: object, **settings: object) -> Iterator[PainterStep]:
        image = np.zeros((43, 64, 3), np.uint8)
        for size, losses, made in ((100, [3, 2, 1], 3), (400, [9, math.nan], 5), (400, [math.nan, 7], 7)):
            yield PainterStep(image, np.zeros(size, np.float32), np.array(losses, np.float32), made, made == 7)

    monkeypatch.setattr(OnnxPainter, "paint", paint)
    steps: list[Progress] = []
    stylize(content_path, style_path, config_for(folder / "painter.onnx", iterations=60), callback=steps.append)
    assert [(step.scale, step.loss) for step in steps] == [(1, 1), (2, 9), (2, 7)]


def test_a_default_that_differs_from_the_painter_is_named(tmp_path: Path) -> None:
    path = tmp_path / "painter.onnx"
    manifest = write_painter(path, TransferConfig(**OPTIONS, tv_weight=5))
    message = "was exported with --tv-weight 5.0, but this run uses the default: add --tv-weight 5.0, or export the"
    with pytest.raises(UsageError, match=message):
        check_painter(path, manifest, config_for(path))


def test_other_runs_are_refused(folder: Path, content_path: Path, style_path: Path, tmp_path: Path) -> None:
    config = config_for(folder / "painter.onnx")
    with pytest.raises(UsageError, match="a painter supports one style image for the whole image"):
        stylize(content_path, [Style((style_path,)), Style((content_path,))], config)
    with pytest.raises(UsageError, match="a painter does not support --checkpoint"):
        stylize(content_path, style_path, config, checkpoint=Checkpoint(tmp_path / "run"))
    with pytest.raises(UsageError, match="a painter contains all that a run needs: remove --objective"):
        config_for(folder / "painter.onnx", objective="objective.onnx")
