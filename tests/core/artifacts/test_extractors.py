"""Exported extractors in use: they equal eager PyTorch in float64, and nothing in a bad file is ever run."""

import json
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from core.artifacts import onnx_session as session
from core.artifacts.extractors import check_matches_config, open_extractor
from core.artifacts.manifest import checksum_path, read_manifest
from core.config.transfer_config import TransferConfig
from core.errors import StyleTransferError, UsageError
from core.network.vgg import VGGFeatures, load_vgg_features
from core.network.weights import load_weights

Exported = Callable[..., Path]
FORMATS = ("torchscript", "onnx", "pt2")
PYTORCH = ("torchscript", "pt2")
TAPS = ("relu1_1", "relu2_1", "relu3_1")


@pytest.fixture(scope="module")
def eager() -> VGGFeatures:
    return load_vgg_features(load_weights("vgg19"), TAPS)


def image_of(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("shape", [(1, 3, 16, 16), (2, 3, 37, 51), (3, 3, 64, 33)])
def test_features_equal_eager_in_float64(format, shape, exported: Exported, eager: VGGFeatures) -> None:
    artifact = open_extractor(exported(format), "cpu")
    image = image_of(*shape)
    exact = load_vgg_features(load_weights("vgg19"), TAPS).double()(image.double())

    of_tensor, of_array = artifact(image), artifact(image.numpy())

    assert tuple(of_tensor) == tuple(of_array) == TAPS
    for tap in TAPS:
        assert of_tensor[tap].dtype is torch.float32
        assert isinstance(of_array[tap], np.ndarray)
        np.testing.assert_allclose(of_array[tap], of_tensor[tap].detach(), rtol=1e-5, atol=1e-2)
        assert (of_tensor[tap] - exact[tap]).norm() < 1e-6 * exact[tap].norm()


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("format", PYTORCH)
def test_the_gradient_reaches_the_image_as_in_eager(format, precision, exported: Exported, eager: VGGFeatures) -> None:
    artifact = open_extractor(exported(format, precision), "cpu")
    assert artifact.differentiable
    for shape in ((1, 3, 33, 47), (1, 3, 33, 47), (2, 3, 32, 20)):  # TorchScript compiles anew on the second call
        gradients = []
        for features_of in (artifact, eager):
            image = image_of(*shape).requires_grad_()
            loss = sum(features.square().mean() for features in features_of(image).values())
            gradients.append(torch.autograd.grad(loss, image)[0])
        if precision == "fp32":
            assert torch.equal(*gradients)
        assert torch.cosine_similarity(*(gradient.flatten() for gradient in gradients), dim=0) > 0.999


def test_an_onnx_one_says_that_it_runs_on_the_cpu_and_nothing_else(
    exported: Exported, capfd, monkeypatch: pytest.MonkeyPatch
) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    monkeypatch.setattr(session, "_has_cuda_driver", lambda: True)  # as on a machine that lacks cuDNN
    artifact = open_extractor(exported("onnx"), "auto")
    artifact(image_of(1, 3, 16, 16))
    assert artifact.provider == "CPUExecutionProvider"
    assert not artifact.differentiable
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("format", PYTORCH)
def test_a_pytorch_one_says_its_device_and_is_quiet(format, exported: Exported, capfd, recwarn) -> None:
    artifact = open_extractor(exported(format), "cpu")
    artifact(image_of(1, 3, 16, 16))
    assert artifact.provider == "PyTorch on cpu"
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list


FITTING = {"content_layers": "relu3_1", "style_layers": "relu1_1,relu2_1"}


def test_an_artifact_that_fits_a_run_is_accepted(exported: Exported) -> None:
    manifest = read_manifest(exported("onnx"))
    check_matches_config("FILE", manifest, TransferConfig(**FITTING))
    check_matches_config("FILE", manifest, TransferConfig(**FITTING, weights_preprocessing="caffe"))


def test_weights_are_the_same_wherever_their_file_lies(tmp_path: Path, exported: Exported) -> None:
    manifest = read_manifest(exported("onnx"))
    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"weights")
    digest = "0a1c9d6ee8ca7e6d0f4ed1dcec0e3b6b55d4dd7ef1a1c9c4f5cff4b1dc8b2f8a"
    other = TransferConfig(**FITTING, weights=str(weights))
    with pytest.raises(UsageError, match="was exported with --weights oxford"):
        check_matches_config("FILE", manifest, other)
    import dataclasses
    import hashlib

    digest = hashlib.sha256(b"weights").hexdigest()
    elsewhere = dataclasses.replace(manifest, weights={"source": "/elsewhere/w.pth", "sha256": digest})
    check_matches_config("FILE", elsewhere, other)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"style_layers": "relu1_1,relu4_1,relu5_1"},
            "FILE holds relu1_1, relu2_1, relu3_1 and not relu4_1, relu5_1: export one with all the layers of this run",
        ),
        (
            {"arch": "vgg16", "weights": "torchvision"},
            "FILE was exported with --arch vgg19 and this run asks for vgg16: add --arch vgg19, or export another",
        ),
        (
            {"pooling": "average"},
            "FILE was exported with --pooling max and this run asks for average: add --pooling max, or export another",
        ),
        (
            {"weights": "torchvision"},
            "FILE was exported with --weights oxford and this run asks for torchvision: "
            "add --weights oxford, or export another",
        ),
        (
            {"weights_preprocessing": "torchvision"},
            "FILE was exported with --weights-preprocessing caffe and this run asks for torchvision: "
            "add --weights-preprocessing caffe, or export another",
        ),
    ],
)
def test_an_artifact_that_does_not_fit_is_refused(options, sentence: str, exported: Exported) -> None:
    config = TransferConfig(**(FITTING | options))
    with pytest.raises(UsageError) as caught:
        check_matches_config("FILE", read_manifest(exported("onnx")), config)
    assert str(caught.value) == sentence


def refusal(path: Path) -> str:
    with pytest.raises(UsageError) as caught:
        open_extractor(path, "cpu")
    return str(caught.value).replace(str(path), "FILE")


@pytest.mark.parametrize("format", FORMATS)
def test_a_truncated_artifact_is_refused(format, exported: Exported, tmp_path: Path) -> None:
    path = tmp_path / exported(format).name
    content = exported(format).read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert refusal(path) == "FILE is damaged or not complete: export it again"


@pytest.mark.parametrize("format", FORMATS)
def test_an_artifact_tampered_with_is_refused(format, exported: Exported, tmp_path: Path) -> None:
    path = tmp_path / exported(format).name
    for suffix in ("", ".sha256"):
        shutil.copy(f"{exported(format)}{suffix}", f"{path}{suffix}")
    open_extractor(path, "cpu")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert refusal(path) == (
        f"FILE does not match its checksum in {checksum_path(path).name}: "
        "it was changed or is not complete, so export it again"
    )


@pytest.mark.parametrize(("opset", "ir_version"), [(99, 10), (18, 99)])
def test_a_newer_opset_is_refused(opset: int, ir_version: int, exported: Exported, tmp_path: Path, capfd) -> None:
    import onnxruntime

    model = onnx.load(exported("onnx"))
    model.opset_import[0].version, model.ir_version = opset, ir_version
    onnx.save(model, tmp_path / "new.onnx")
    assert refusal(tmp_path / "new.onnx") == (
        f"FILE needs a newer ONNX opset than onnxruntime {onnxruntime.__version__} supports: "
        "update onnxruntime, or export it again"
    )
    assert capfd.readouterr() == ("", "")


def test_an_onnx_model_that_lacks_a_tap_of_its_manifest_is_refused(exported: Exported, tmp_path: Path) -> None:
    model = onnx.load(exported("onnx"))
    del model.graph.output[1]
    onnx.save(model, tmp_path / "less.onnx")
    assert refusal(tmp_path / "less.onnx") == "FILE does not return relu2_1, as its manifest says: export it again"


def test_an_image_that_is_none_is_one_sentence(exported: Exported) -> None:
    with pytest.raises(StyleTransferError, match=r"^ONNX Runtime failed with image \(1, 4, 16, 16\) \("):
        open_extractor(exported("onnx"), "cpu")(np.zeros((1, 4, 16, 16), np.float32))


class Bomb:
    """Leaves a trace if it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


def rewritten(path: Path, target: Path, change: Callable[[str, bytes], bytes]) -> Path:
    with zipfile.ZipFile(path) as before, zipfile.ZipFile(target, "w") as after:
        for name in before.namelist():
            after.writestr(name, change(name, before.read(name)))
    return target


@pytest.mark.parametrize("format", PYTORCH)
def test_no_object_in_an_archive_is_unpickled(format, exported: Exported, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    bomb = pickle.dumps(Bomb(trace), protocol=2)
    pickle.loads(bomb)
    assert trace.exists()  # it works, and the test would notice
    trace.unlink()

    pickled = (".pkl", "sample_inputs/model.pt", "weight_0")
    path = rewritten(
        exported(format), tmp_path / "bad", lambda name, content: bomb if name.endswith(pickled) else content
    )
    with pytest.raises(UsageError):
        open_extractor(path, "cpu")(image_of(1, 3, 16, 16))
    assert not trace.exists()


def with_program(exported: Exported, target: Path, change: Callable[[dict], None]) -> Path:
    def changed(name: str, content: bytes) -> bytes:
        if not name.endswith("models/model.json"):
            return content
        program = json.loads(content)
        change(program["graph_module"]["graph"])
        return json.dumps(program).encode()

    return rewritten(exported("pt2"), target, changed)


@pytest.mark.parametrize("operator", ["torch.os.system", "torch.ops.aten.from_file.default", "_operator.add"])
def test_a_program_of_other_operators_is_refused(operator: str, exported: Exported, tmp_path: Path) -> None:
    path = with_program(exported, tmp_path / "bad.pt2", lambda graph: graph["nodes"][0].update(target=operator))
    assert refusal(path) == "FILE does not hold the program of an extractor: export it again"


def test_a_program_with_pickled_weights_is_refused(exported: Exported, tmp_path: Path) -> None:
    path = rewritten(
        exported("pt2"),
        tmp_path / "bad.pt2",
        lambda _, content: content.replace(b'"use_pickle": false', b'"use_pickle": true'),
    )
    assert refusal(path) == "FILE does not hold the program of an extractor: export it again"
