"""VGGFeatures artifacts as files: what is in them, what is not, and that nothing unproven is ever left behind."""

import importlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from core.artifacts.extractors import open_extractor, without_warnings
from core.artifacts.manifest import checksum_path, read_manifest
from core.errors import StyleTransferError, UsageError
from core.files import sha256_of
from core.network.architecture import layers
from core.network.vgg import load_vgg_features
from core.network.weights import PREPROCESSINGS, Weights, load_weights
from export.extractor import export_extractor
from export.formats.half import HalfExtractor

Exported = Callable[..., Path]
FORMATS = ("torchscript", "onnx", "pt2")
TAPS = ("relu1_1", "relu2_1", "relu3_1")
DEEP = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu4_2", "relu5_1")


def he_weights(preprocessing: str = "torchvision", last: str = "conv2_1", gain: float = 1.0) -> Weights:
    """Random weights of a VGG-16 up to `last` (He et al. 2015), the activations `gain` times as large."""
    generator = torch.Generator().manual_seed(4)
    state = {}
    for layer in layers("vgg16"):
        if layer.kind == "conv":
            shape = (layer.out_channels, layer.in_channels, 3, 3)
            scale = (2 / 9 / layer.in_channels) ** 0.5 * (gain if layer.name == "conv1_1" else 1)
            state[f"{layer.name}.weight"] = torch.randn(shape, generator=generator) * scale
            state[f"{layer.name}.bias"] = torch.randn(layer.out_channels, generator=generator) * 0.1 * gain
        if layer.name == last:
            break
    return Weights("vgg16", "made up", "0" * 64, PREPROCESSINGS[preprocessing], state)


def image_of(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize(("pooling", "taps"), [("max", DEEP), ("average", TAPS)])
def test_onnx_features_are_within_a_millionth_of_float64(pooling, taps, tmp_path: Path) -> None:
    path, weights = tmp_path / "e.onnx", load_weights("vgg19")
    manifest = export_extractor(path, weights, taps, format="onnx", pooling=pooling)
    exact = load_vgg_features(weights, taps, pooling=pooling).double()
    run = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for shape in ((1, 3, 16, 16), (2, 3, 63, 42)):
        image, expected = image_of(*shape), exact(image_of(*shape).double())
        for tap, features in zip(taps, run.run(list(taps), {"image": image.numpy()}), strict=True):
            difference = np.linalg.norm(features - expected[tap].numpy())
            assert difference < 1e-6 * expected[tap].norm(), (shape, tap)
    assert manifest.parity["features"]["relative_l2"] < 1e-6
    assert read_manifest(path) == manifest


@pytest.mark.parametrize("format", FORMATS)
def test_a_manifest_says_what_the_artifact_is(format, exported: Exported) -> None:
    manifest = read_manifest(exported(format), kind="extractor")
    weights = load_weights("vgg19")
    assert (manifest.format, manifest.arch, manifest.taps) == (format, "vgg19", TAPS)
    assert (manifest.pooling, manifest.precision, manifest.preprocessing) == ("max", "fp32", "caffe")
    assert manifest.weights == {"source": "oxford", "sha256": weights.sha256}
    assert manifest.activation_scale == weights.preprocessing.activation_scale
    assert manifest.opset == (18 if format == "onnx" else None)
    assert manifest.inputs.keys() == {"image"}
    assert manifest.outputs["relu3_1"] == (
        "float32 (batch, 256, height // 4, width // 4), on the scale of the published network"
    )
    assert manifest.versions["torch"] == torch.__version__.partition("+")[0]
    assert 0 < manifest.parity["features"]["relative_l2"] < 1e-6
    assert ("gradient" in manifest.parity) == (format != "onnx")


@pytest.mark.parametrize("format", FORMATS)
def test_the_checksum_beside_it_is_that_of_the_file(format, exported: Exported) -> None:
    path = exported(format)
    assert checksum_path(path).read_text() == f"{sha256_of(path)}  {path.name}\n"


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("format", FORMATS)
def test_a_file_holds_the_weights_once_and_nothing_of_this_machine(format, precision, exported: Exported) -> None:
    content = exported(format, precision).read_bytes()
    weights = sum(tensor.numel() for tensor in load_vgg_features(load_weights("vgg19"), TAPS).state_dict().values())
    assert 0 <= len(content) - weights * {"fp32": 4, "fp16": 2}[precision] < 150_000
    for module in ("core.network.vgg", "torch", "export.formats.half"):
        assert str(Path(importlib.import_module(module).__file__).parent).encode() not in content


def test_an_onnx_file_is_standard_and_complete(exported: Exported) -> None:
    model = onnx.load(exported("onnx"), load_external_data=False)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 18)]
    assert {node.domain for node in model.graph.node} == {""}
    assert not model.functions
    assert all(tensor.data_location == onnx.TensorProto.DEFAULT for tensor in model.graph.initializer)
    shape = model.graph.input[0].type.tensor_type.shape
    assert [side.dim_param or side.dim_value for side in shape.dim] == ["batch", 3, "height", "width"]
    assert [output.name for output in model.graph.output] == list(TAPS)


def test_an_onnx_file_is_itself_a_source_of_weights_that_knows_its_preprocessing(exported: Exported) -> None:
    again, weights = load_weights("vgg19", str(exported("onnx"))), load_weights("vgg19")
    assert again.preprocessing == weights.preprocessing
    assert all(torch.equal(values, weights.state[name]) for name, values in again.state.items())


def test_libtorch_gets_a_dictionary_by_tap_from_a_frozen_module(exported: Exported) -> None:
    with without_warnings():
        module = torch.jit.load(exported("torchscript"))
    assert list(module.state_dict()) == []  # frozen: the weights are constants
    assert list(module(image_of(1, 3, 20, 30))) == list(TAPS)


def test_torch_export_loads_a_pt2_for_every_size_and_batch(exported: Exported) -> None:
    program = torch.export.load(exported("pt2")).module()
    eager = load_vgg_features(load_weights("vgg19"), TAPS)
    for shape in ((1, 3, 16, 16), (3, 3, 31, 50)):
        image = image_of(*shape)
        for tap, features in program(image).items():
            assert torch.equal(features, eager(image)[tap])


@pytest.mark.parametrize("format", FORMATS)
def test_half_precision_keeps_about_three_digits(format, exported: Exported) -> None:
    exact = load_vgg_features(load_weights("vgg19"), TAPS).double()
    image = image_of(1, 3, 40, 33)
    for tap, features in open_extractor(exported(format, "fp16"), "cpu")(image).items():
        expected = exact(image.double())[tap]
        assert features.dtype is torch.float32
        assert 1e-5 < (features - expected).norm() / expected.norm() < 1e-3


def test_an_onnx_file_in_half_precision_computes_in_it(exported: Exported) -> None:
    model = onnx.load(exported("onnx", "fp16"))
    types = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    assert len(convolutions) == 5
    assert {types[name] for node in convolutions for name in node.input[1:]} == {onnx.TensorProto.FLOAT16}
    casts = [node for node in model.graph.node if node.op_type == "Cast"]
    assert len(casts) == 1 + len(TAPS)  # one at the entrance, one at every tap, none between


def test_half_precision_survives_activations_that_float16_cannot_hold() -> None:
    weights = he_weights("caffe", gain=300.0)
    image = image_of(1, 3, 16, 16)
    exact = load_vgg_features(weights, ["relu2_1"]).double()(image.double())["relu2_1"]
    assert exact.max() > 65504
    half = HalfExtractor(load_vgg_features(weights, ["relu2_1"]), weights.preprocessing.activation_scale, always=True)
    features = half(image)["relu2_1"]
    assert (features - exact).norm() < 1e-3 * exact.norm()


def test_taps_come_in_the_order_of_the_network_once_each(tmp_path: Path) -> None:
    path = tmp_path / "e.pt"
    export_extractor(path, he_weights(), ["relu2_1", "conv_1_2", "pool1", "relu1_2"], format="torchscript")
    assert read_manifest(path).taps == ("relu1_2", "pool1", "relu2_1")
    assert tuple(open_extractor(path, "cpu")(image_of(1, 3, 16, 16))) == ("relu1_2", "pool1", "relu2_1")


@pytest.mark.parametrize("format", FORMATS)
def test_an_rgb_network_needs_no_flip(format, tmp_path: Path) -> None:
    weights = he_weights("torchvision")
    path = tmp_path / "e"
    export_extractor(path, weights, ["relu2_1"], format=format)
    image = image_of(2, 3, 21, 18)
    expected = load_vgg_features(weights, ["relu2_1"]).double()(image.double())["relu2_1"]
    features = open_extractor(path, "cpu")(image)["relu2_1"]
    assert (features - expected).norm() < 1e-6 * expected.norm()


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_out_of_bounds_is_not_written(format, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "e.onnx"
    path.write_bytes(b"the old one")
    checksum_path(path).write_text("its checksum")

    def off_by_a_little(self, image):
        return {tap: values * 1.001 for tap, values in forward(self, image).items()}

    from core.artifacts.extractors import OnnxExtractor, TorchExtractor

    kind = OnnxExtractor if format == "onnx" else TorchExtractor
    forward = kind.__call__
    monkeypatch.setattr(kind, "__call__", off_by_a_little)
    with pytest.raises(StyleTransferError, match=r"e\.onnx is out of bounds: features 1\.0e-03 from float64") as caught:
        export_extractor(path, he_weights(), ["relu2_1"], format=format)
    assert caught.value.exit_status == 1
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {
        "e.onnx": b"the old one",
        "e.onnx.sha256": b"its checksum",
    }


def test_no_checksum_outlives_the_artifact_it_was_made_of(tmp_path: Path) -> None:
    path = tmp_path / "e.pt"
    export_extractor(path, he_weights(), ["relu2_1"], format="torchscript")
    assert checksum_path(path).exists()
    export_extractor(path, he_weights(), ["relu1_1"], format="torchscript", checksum=False)
    assert not checksum_path(path).exists()
    assert read_manifest(path).taps == ("relu1_1",)


def test_the_same_export_gives_the_same_file(tmp_path: Path) -> None:
    for name in "ab":
        export_extractor(tmp_path / name, he_weights(), ["relu2_1"], format="onnx")
    assert sha256_of(tmp_path / "a") == sha256_of(tmp_path / "b")


def test_weights_that_end_too_early_leave_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"lack conv2_2\.weight"):
        export_extractor(tmp_path / "e.pt", he_weights(), ["relu3_1"], format="torchscript")
    assert list(tmp_path.iterdir()) == []
