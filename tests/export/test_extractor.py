"""Extractor artifacts of every format: contents, accuracy, and failures that change no file."""

import importlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from core.artifacts.extractors import OnnxExtractor, TorchExtractor, open_extractor
from core.artifacts.manifest import Manifest, checksum_path, read_manifest
from core.errors import StyleTransferError, UsageError
from core.files import sha256_of
from core.network.vgg import load_vgg_features
from core.network.weights import Weights, load_weights
from export.extractor import export_extractor

Exported = Callable[..., Path]
FORMATS = ("torchscript", "onnx", "pt2")
TAPS = ("relu1_1", "relu2_1", "relu3_1")
DEEP = ("relu1_1", "relu2_1", "relu3_1", "relu3_2", "relu4_1", "relu4_2", "relu5_1")


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape)))


def export_small(path: Path, taps: tuple[str, ...] = ("relu2_1",), format: str = "torchscript", **options) -> Manifest:
    """Export an extractor of a VGG-16 with the preprocessing of torchvision."""
    return export_extractor(path, load_weights("vgg16", "torchvision"), taps, format=format, **options)


@pytest.mark.slow
def test_deep_onnx_features_match_float64(vgg19_weights: Weights, tmp_path: Path) -> None:
    path = tmp_path / "e.onnx"
    manifest = export_extractor(path, vgg19_weights, DEEP, format="onnx")
    exact = load_vgg_features(vgg19_weights, DEEP).double()
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for shape in ((1, 3, 16, 16), (2, 3, 63, 42)):
        expected = exact(noise(*shape).double())
        for tap, features in zip(DEEP, session.run(list(DEEP), {"image": noise(*shape).numpy()}), strict=True):
            difference = np.linalg.norm(features - expected[tap].numpy())
            assert difference < 1e-6 * expected[tap].norm(), (shape, tap)
    assert manifest.parity["features"]["relative_l2"] < 1e-6
    assert read_manifest(path) == manifest


@pytest.mark.parametrize("format", FORMATS)
def test_manifest_describes_the_artifact(format, exported: Exported, vgg19_weights: Weights) -> None:
    manifest = read_manifest(exported(format))
    assert (manifest.format, manifest.arch, manifest.taps) == (format, "vgg19", TAPS)
    assert (manifest.pooling, manifest.precision, manifest.preprocessing) == ("max", "fp32", "caffe")
    assert manifest.weights == {"source": "oxford", "sha256": vgg19_weights.sha256}
    assert manifest.activation_scale == vgg19_weights.preprocessing.activation_scale
    assert manifest.opset == (18 if format == "onnx" else None)
    assert manifest.inputs.keys() == {"image"}
    assert manifest.outputs["relu3_1"] == (
        "float32 (batch, 256, height // 4, width // 4), "
        "features of the published network, not divided by activation_scale"
    )
    assert manifest.versions["torch"] == torch.__version__.partition("+")[0]
    assert 0 < manifest.parity["features"]["relative_l2"] < 1e-6
    assert ("gradient" in manifest.parity) == (format != "onnx")


@pytest.mark.parametrize("format", FORMATS)
def test_checksum_file_matches(format, exported: Exported) -> None:
    path = exported(format)
    assert checksum_path(path).read_text() == f"{sha256_of(path)}  {path.name}\n"


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("format", FORMATS)
def test_file_contains_the_weights_once_and_no_path_of_this_machine(
    format, precision, exported: Exported, vgg19_weights: Weights
) -> None:
    content = exported(format, precision).read_bytes()
    weights = sum(tensor.numel() for tensor in load_vgg_features(vgg19_weights, TAPS).state_dict().values())
    assert 0 <= len(content) - weights * {"fp32": 4, "fp16": 2}[precision] < 150_000
    for module in ("core.network.vgg", "torch", "export.formats.half"):
        assert str(Path(importlib.import_module(module).__file__).parent).encode() not in content


def test_taps_are_unique_and_in_network_order(tmp_path: Path, tiny_vgg: None) -> None:
    path = tmp_path / "e.pt"
    export_small(path, ("relu2_1", "conv_1_2", "pool1", "relu1_2"))
    assert read_manifest(path).taps == ("relu1_2", "pool1", "relu2_1")
    assert tuple(open_extractor(path, "cpu")(noise(1, 3, 16, 16))) == ("relu1_2", "pool1", "relu2_1")


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
def test_rgb_network_with_average_pooling_matches_float64(format, tmp_path: Path, tiny_vgg: None) -> None:
    taps = ("relu1_2", "pool1", "relu2_1")
    export_small(tmp_path / "e", taps, format, pooling="average")
    exact = load_vgg_features(load_weights("vgg16", "torchvision"), taps, pooling="average").double()
    for shape in ((1, 3, 16, 16), (2, 3, 21, 18)):
        expected = exact(noise(*shape).double())
        for tap, features in open_extractor(tmp_path / "e", "cpu")(noise(*shape)).items():
            assert (features - expected[tap]).norm() < 1e-6 * expected[tap].norm()


@pytest.mark.parametrize("format", ["torchscript", "onnx"])
def test_artifact_that_exceeds_a_tolerance_is_not_written(
    format, tmp_path: Path, tiny_vgg: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "e.onnx"
    path.write_bytes(b"the previous one")
    checksum_path(path).write_text("its checksum")

    def with_error(self, image):
        return {tap: values * 1.001 for tap, values in call(self, image).items()}

    extractor = OnnxExtractor if format == "onnx" else TorchExtractor
    call = extractor.__call__
    monkeypatch.setattr(extractor, "__call__", with_error)
    with pytest.raises(StyleTransferError, match=r"relative L2 error of the features \(.*\) is 1\.0e-03") as caught:
        export_small(path, format=format)
    assert caught.value.exit_status == 1
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {
        "e.onnx": b"the previous one",
        "e.onnx.sha256": b"its checksum",
    }


def test_export_is_reproducible(tmp_path: Path, tiny_vgg: None) -> None:
    for name in "ab":
        export_small(tmp_path / name, ("relu1_1",), "onnx")
    assert sha256_of(tmp_path / "a") == sha256_of(tmp_path / "b")


def test_weights_without_a_needed_layer_are_refused(tmp_path: Path, tiny_vgg: None) -> None:
    weights = load_weights("vgg16", "torchvision")
    del weights.state["conv2_2.weight"]
    with pytest.raises(UsageError, match=r"conv2_2\.weight"):
        export_extractor(tmp_path / "e.pt", weights, ["relu3_1"], format="torchscript")
    assert list(tmp_path.iterdir()) == []
