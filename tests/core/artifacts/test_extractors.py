"""Loaded extractors: equal to eager PyTorch in float64, refused if they do not fit, and never unpickled."""

import dataclasses
import hashlib
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from core.artifacts.extractors import check_matches_config, open_extractor
from core.artifacts.manifest import checksum_path, read_manifest
from core.config.transfer_config import TransferConfig
from core.errors import StyleTransferError, UsageError
from core.network.vgg import VGGFeatures, load_vgg_features
from support.archives import rewrite_archive

Exported = Callable[..., Path]
FORMATS = ("torchscript", "onnx", "pt2")
PYTORCH = ("torchscript", "pt2")
TAPS = ("relu1_1", "relu2_1", "relu3_1")


@pytest.fixture(scope="module")
def eager(vgg19_weights) -> VGGFeatures:
    return load_vgg_features(vgg19_weights, TAPS)


@pytest.fixture(scope="module")
def exact(vgg19_weights) -> VGGFeatures:
    return load_vgg_features(vgg19_weights, TAPS).double()


def image_of(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("shape", [(1, 3, 16, 16), (2, 3, 37, 51), (3, 3, 64, 33)])
def test_features_match_eager_float64(format, shape, exported: Exported, exact: VGGFeatures) -> None:
    artifact = open_extractor(exported(format), "cpu")
    image = image_of(*shape)
    expected = exact(image.double())

    from_tensor, from_array = artifact(image), artifact(image.numpy())

    assert tuple(from_tensor) == tuple(from_array) == TAPS
    for tap in TAPS:
        assert from_tensor[tap].dtype is torch.float32
        assert isinstance(from_array[tap], np.ndarray)
        np.testing.assert_allclose(from_array[tap], from_tensor[tap].detach(), rtol=1e-5, atol=1e-2)
        assert (from_tensor[tap] - expected[tap]).norm() < 1e-6 * expected[tap].norm()


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("format", PYTORCH)
def test_gradient_matches_eager(format, precision, exported: Exported, eager: VGGFeatures) -> None:
    artifact = open_extractor(exported(format, precision), "cpu")
    assert artifact.differentiable
    for shape in ((1, 3, 33, 47), (1, 3, 33, 47), (2, 3, 32, 20)):  # TorchScript recompiles in the second call
        gradients = []
        for features_of in (artifact, eager):
            image = image_of(*shape).requires_grad_()
            loss = sum(features.square().mean() for features in features_of(image).values())
            gradients.append(torch.autograd.grad(loss, image)[0])
        if precision == "fp32":
            assert torch.equal(*gradients)
        assert torch.cosine_similarity(*(gradient.flatten() for gradient in gradients), dim=0) > 0.999


def test_onnx_extractor_is_silent_and_not_differentiable(exported: Exported, capfd) -> None:
    artifact = open_extractor(exported("onnx"), "cpu")
    artifact(image_of(1, 3, 16, 16))
    assert artifact.provider == "CPUExecutionProvider"
    assert not artifact.differentiable
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("format", PYTORCH)
def test_torch_extractor_is_silent_and_names_its_device(format, exported: Exported, capfd, recwarn) -> None:
    artifact = open_extractor(exported(format), "cpu")
    artifact(image_of(1, 3, 16, 16))
    assert artifact.provider == "PyTorch on cpu"
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list


SUITABLE = {"content_layers": "relu3_1", "style_layers": "relu1_1,relu2_1"}


def test_check_matches_config_accepts_a_suitable_artifact(exported: Exported) -> None:
    manifest = read_manifest(exported("onnx"))
    check_matches_config("FILE", manifest, TransferConfig(**SUITABLE))
    check_matches_config("FILE", manifest, TransferConfig(**SUITABLE, weights_preprocessing="caffe"))


@pytest.mark.parametrize(
    ("shape", "described"),
    [({"size": (48, 64), "batch": 1}, "48 x 64 pixels, batch 1"), ({"batch": 2}, "any size, batch 2")],
)
def test_check_matches_config_refuses_an_artifact_for_other_images(
    shape: dict, described: str, exported: Exported
) -> None:
    manifest = dataclasses.replace(read_manifest(exported("onnx")), **shape)
    with pytest.raises(UsageError) as caught:
        check_matches_config("FILE", manifest, TransferConfig(**SUITABLE))
    assert str(caught.value) == (
        f"FILE accepts only images of {described}, and this run has single images of several sizes: "
        "export one without --size and --batch"
    )


def test_check_matches_config_compares_weight_files_by_content(tmp_path: Path, exported: Exported) -> None:
    manifest = read_manifest(exported("onnx"))
    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"weights")
    other = TransferConfig(**SUITABLE, weights=str(weights))
    with pytest.raises(UsageError, match="was exported with --weights oxford"):
        check_matches_config("FILE", manifest, other)
    digest = hashlib.sha256(b"weights").hexdigest()
    elsewhere = dataclasses.replace(manifest, weights={"source": "/elsewhere/w.pth", "sha256": digest})
    check_matches_config("FILE", elsewhere, other)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"style_layers": "relu1_1,relu4_1,relu5_1"},
            "FILE computes relu1_1, relu2_1, relu3_1 and not relu4_1, relu5_1: "
            "export one with all the layers of this run",
        ),
        (
            {"arch": "vgg16", "weights": "torchvision"},
            "FILE was exported with --arch vgg19 and this run uses vgg16: add --arch vgg19, or export another",
        ),
        (
            {"pooling": "average"},
            "FILE was exported with --pooling max and this run uses average: add --pooling max, or export another",
        ),
        (
            {"weights": "torchvision"},
            "FILE was exported with --weights oxford and this run uses torchvision: "
            "add --weights oxford, or export another",
        ),
        (
            {"weights_preprocessing": "torchvision"},
            "FILE was exported with --weights-preprocessing caffe and this run uses torchvision: "
            "add --weights-preprocessing caffe, or export another",
        ),
    ],
)
def test_check_matches_config_refuses_an_unsuitable_artifact(options, sentence: str, exported: Exported) -> None:
    config = TransferConfig(**(SUITABLE | options))
    with pytest.raises(UsageError) as caught:
        check_matches_config("FILE", read_manifest(exported("onnx")), config)
    assert str(caught.value) == sentence


def refusal(path: Path) -> str:
    with pytest.raises(UsageError) as caught:
        open_extractor(path, "cpu")
    return str(caught.value).replace(str(path), "FILE")


@pytest.mark.parametrize("format", FORMATS)
def test_open_extractor_refuses_a_truncated_artifact(format, exported: Exported, tmp_path: Path) -> None:
    path = tmp_path / exported(format).name
    content = exported(format).read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert ("it is damaged or not an ONNX model" if format == "onnx" else "FILE is damaged or incomplete") in refusal(
        path
    )


@pytest.mark.parametrize("format", FORMATS)
def test_open_extractor_refuses_a_modified_artifact(format, exported: Exported, tmp_path: Path) -> None:
    path = tmp_path / exported(format).name
    for suffix in ("", ".sha256"):
        shutil.copy(f"{exported(format)}{suffix}", f"{path}{suffix}")
    open_extractor(path, "cpu")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert refusal(path) == (
        f"FILE does not match its checksum in {checksum_path(path).name}: "
        "it was changed or is incomplete; export it again"
    )


def test_open_extractor_refuses_a_model_without_a_tap_of_its_manifest(exported: Exported, tmp_path: Path) -> None:
    model = onnx.load(exported("onnx"))
    del model.graph.output[1]
    onnx.save(model, tmp_path / "less.onnx")
    assert refusal(tmp_path / "less.onnx") == "FILE lacks the output relu2_1 of its manifest: export it again"


def test_an_image_of_four_channels_is_refused(exported: Exported) -> None:
    with pytest.raises(StyleTransferError, match=r"^ONNX Runtime failed with image \(1, 4, 16, 16\) \("):
        open_extractor(exported("onnx"), "cpu")(np.zeros((1, 4, 16, 16), np.float32))


class Bomb:
    """Creates the file `trace` when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("format", PYTORCH)
def test_open_extractor_unpickles_no_object(format, exported: Exported, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    bomb = pickle.dumps(Bomb(trace), protocol=2)
    pickle.loads(bomb)
    assert trace.exists()  # unpickling would be detected
    trace.unlink()

    pickled = (".pkl", "sample_inputs/model.pt", "weight_0")
    path = rewrite_archive(
        exported(format), tmp_path / "bad", lambda name, content: bomb if name.endswith(pickled) else content
    )
    with pytest.raises(UsageError):
        open_extractor(path, "cpu")(image_of(1, 3, 16, 16))
    assert not trace.exists()
