"""Extractors whose features are a tuple: the same features and gradients, no dictionary, in every format of PyTorch."""

from pathlib import Path

import pytest
import torch

from core.artifacts.extractors import open_extractor, without_warnings
from core.artifacts.manifest import read_manifest
from core.network.vgg import VGGFeatures, load_vgg_features
from core.network.weights import load_weights
from export.extractor import export_extractor
from export.formats.half import HalfExtractor
from export.formats.tuple_outputs import TupleExtractor, without_dictionary
from export.options import ExportOptions

TAPS = ("relu1_2", "pool1", "relu2_1")

pytestmark = pytest.mark.usefixtures("tiny_vgg")


def image(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape)))


def eager() -> VGGFeatures:
    return load_vgg_features(load_weights("vgg19"), TAPS)


@pytest.mark.parametrize("half", [False, True])
def test_module_without_dictionary_returns_the_same_features_in_order(half: bool) -> None:
    extractor = HalfExtractor(eager(), 57.0) if half else eager()
    module = TupleExtractor(extractor)
    expected = [*extractor(image(2, 3, 21, 18)).values()]
    for converted in (module, without_dictionary(module)):
        found = converted(image(2, 3, 21, 18))
        assert isinstance(found, tuple)
        assert all(torch.equal(*pair) for pair in zip(found, expected, strict=True))


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("format", ["torchscript", "pt2"])
def test_artifact_returns_a_tuple_in_the_order_of_its_manifest(format: str, precision: str, tmp_path: Path) -> None:
    path = tmp_path / "e"
    options = ExportOptions(outputs="tuple")
    export_extractor(path, load_weights("vgg19"), TAPS, format=format, precision=precision, options=options)
    manifest = read_manifest(path)
    assert (manifest.output_type, tuple(manifest.outputs)) == ("tuple", TAPS)
    with without_warnings():
        program = torch.jit.load(path) if format == "torchscript" else torch.export.load(path).module()
    pixels = image(1, 3, 20, 33).requires_grad_()
    found = program(pixels)
    assert isinstance(found, tuple)
    for tap, features in open_extractor(path, "cpu")(image(1, 3, 20, 33)).items():
        assert torch.equal(features, found[TAPS.index(tap)])
    (gradient,) = torch.autograd.grad(found[-1].square().mean(), pixels)
    (expected,) = torch.autograd.grad(eager()(pixels)["relu2_1"].square().mean(), pixels)
    assert torch.cosine_similarity(gradient.flatten(), expected.flatten(), dim=0) > 0.999


def test_torchscript_program_contains_no_dictionary(tmp_path: Path) -> None:
    path = tmp_path / "e.pt"
    export_extractor(path, load_weights("vgg19"), TAPS, format="torchscript", options=ExportOptions(outputs="tuple"))
    with without_warnings():
        kinds = {node.kind() for node in torch.jit.load(path).graph.nodes()}
    assert "prim::TupleConstruct" in kinds
    assert not {kind for kind in kinds if "Dict" in kind or "set_item" in kind}
