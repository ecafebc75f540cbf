"""`python -m export painter`: verified files with a complete manifest, and refusals."""

from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.artifacts.manifest import read_manifest
from core.artifacts.painter import OUTPUTS, PAINTER_OPTIONS, OnnxPainter, PainterStep
from core.config.transfer_config import TransferConfig
from core.errors import StyleTransferError, UsageError
from core.network.weights import load_weights
from export.painter import export
from export.painter.export import export_painter
from support.export_command import refused, run
from support.painters import objective_of

LAYERS = ("--content-layers", "relu2_1", "--style-layers", "relu1_1,relu2_1")


@pytest.mark.slow
@pytest.mark.parametrize("style_loss", ["gram", "moments"])
def test_command_writes_a_verified_file(tmp_path: Path, tiny_vgg: None, style_loss: str) -> None:
    path = tmp_path / "painter.onnx"
    options = ("--style-loss", style_loss, "--image-size", 300, "--min-scale-size", 40)
    exported = run("painter", "-o", path, *LAYERS, *options)
    assert exported.exit_code == 0, exported.output
    assert f"{path}: painter, onnx fp32" in exported.stdout
    assert {file.name for file in tmp_path.iterdir()} == {"painter.onnx", "painter.onnx.sha256"}

    manifest = read_manifest(path, kind="painter")
    assert [*manifest.outputs] == [*OUTPUTS]
    assert manifest.style_loss == style_loss
    assert manifest.inputs["content"] == "uint8 (height, width, 3), RGB, of any size"
    assert "by default 300" in manifest.inputs["image_size"]
    assert set(manifest.settings) == set(PAINTER_OPTIONS)
    assert TransferConfig(**manifest.settings).content_layers == ("relu2_1",)

    verified = run("verify", path)
    assert verified.exit_code == 0, verified.output
    assert verified.stdout.count("ok") == 4
    assert "min_scale_size: 40" in run("inspect", path).stdout
    assert refused("verify", path, "--runtime", "openvino", "--precision", "bf16") == (
        "a painter is verified in fp32, because rounding errors grow in a run: remove --precision"
    )
    if find_spec("openvino"):
        verified = run("verify", path, "--runtime", "openvino")
        assert verified.exit_code == 0, verified.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preserve_color": "match"}, "--preserve-color match"),
        ({"optimizer": "adam", "averaging": 0.9}, "--averaging 0.9"),
        ({"init": "noise"}, "--init noise"),
    ],
)
def test_options_that_a_painter_lacks_are_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=f"a painter does not support {message}: remove the option, or use"):
        export_painter(tmp_path / "painter.onnx", load_weights("vgg19"), TransferConfig(**options))
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("style_loss", ["wasserstein", "nearest"])
def test_style_losses_that_a_painter_lacks_are_refused(tmp_path: Path, style_loss: str) -> None:
    with pytest.raises(UsageError) as caught:
        export_painter(tmp_path / "painter.onnx", load_weights("vgg19"), TransferConfig(style_loss=style_loss))
    sentence = f"a painter with the style loss {style_loss} cannot be exported: use gram or moments"
    assert str(caught.value) == sentence
    assert refused("painter", "-o", tmp_path / "painter.onnx", "--style-loss", style_loss) == sentence
    assert not [*tmp_path.iterdir()]


def test_the_command_refuses_them_before_it_loads_weights(tmp_path: Path) -> None:
    options = ("--init", "noise", "--weights", "torchvision")
    assert "does not support --init noise" in refused("painter", "-o", tmp_path / "painter.onnx", *options)


def test_other_suffixes_are_refused(tmp_path: Path) -> None:
    assert "a painter is an ONNX file" in refused("painter", "-o", tmp_path / "painter.pt")


@pytest.mark.parametrize(("attribute", "quantity"), [("losses", "loss"), ("image", "image")])
def test_a_painter_that_differs_is_not_written(
    tmp_path: Path, tiny_vgg: None, monkeypatch: pytest.MonkeyPatch, attribute: str, quantity: str
) -> None:
    paint = OnnxPainter.paint

    def wrong(*arguments: Any, **settings: Any) -> Iterator[PainterStep]:
        for step in paint(*arguments, **settings):
            yield replace(step, **{attribute: getattr(step, attribute) * np.float32(1.05)})

    monkeypatch.setattr(OnnxPainter, "paint", wrong)
    monkeypatch.setattr(export, "InlinedObjective", lambda module, palette: objective_of(("relu1_1",), ("relu1_1",)))
    path = tmp_path / "painter.onnx"
    path.write_bytes(b"earlier")
    config = TransferConfig(content_layers="relu1_1", style_layers="relu1_1", min_scale_size=64)
    with pytest.raises(StyleTransferError, match=f"the relative L2 error of the {quantity}"):
        export_painter(path, load_weights("vgg19"), config, pixels="float")
    assert path.read_bytes() == b"earlier"
    assert [*tmp_path.iterdir()] == [path]
