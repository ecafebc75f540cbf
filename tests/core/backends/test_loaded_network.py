"""The network comes from weights, or from an artifact that fits the run."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from core.artifacts.extractors import OnnxExtractor, TorchExtractor
from core.backends import loaded_network
from core.backends.loaded_network import LOAD_OPTIONS, LoadedNetwork
from core.config.options import options_of
from core.config.transfer_config import TransferConfig
from core.errors import UsageError
from core.network.fused import FusedVGG
from core.network.vgg import load_vgg_features
from core.network.weights import load_weights
from export.extractor import export_extractor
from support.manifests import MANIFEST
from support.networks import relative_error

TAPS = ("relu1_1", "relu2_1")
CONFIG = TransferConfig(content_layers="relu2_1", style_layers=TAPS, device="cpu")

pytestmark = pytest.mark.usefixtures("tiny_vgg")


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand((1, 3, 24, 33), generator=torch.Generator().manual_seed(0))


def export(folder: Path, format: str) -> str:
    path = folder / {"torchscript": "extractor.pt", "onnx": "extractor.onnx"}[format]
    export_extractor(path, load_weights("vgg19"), TAPS, format=format)
    return str(path)


def test_a_network_from_weights_computes_their_features_and_names_them(image: torch.Tensor) -> None:
    network, weights = LoadedNetwork.load(CONFIG), load_weights("vgg19")
    assert isinstance(network.extractor, FusedVGG)
    assert network.artifact is None
    assert network.weights == {"source": "oxford", "sha256": weights.sha256}
    assert (network.activation_scale, network.precision) == (weights.preprocessing.activation_scale, "fp32")
    expected = load_vgg_features(weights, TAPS)(image)
    for tap, features in network.extractor(image).items():
        assert relative_error(features, expected[tap]) < 1e-5


def test_a_differentiable_artifact_replaces_the_weights(
    image: torch.Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, expected = export(tmp_path, "torchscript"), LoadedNetwork.load(CONFIG)
    monkeypatch.setattr("core.backends.loaded_network.load_weights", lambda *_, **__: pytest.fail("weights were read"))
    network = LoadedNetwork.load(CONFIG.with_options(extractor=path))
    assert isinstance(network.extractor, TorchExtractor)
    assert network.artifact is network.extractor
    assert network.weights["sha256"] == expected.weights["sha256"]
    assert network.activation_scale == expected.activation_scale
    found, features = network.extractor(image), expected.extractor(image)
    assert all(relative_error(found[tap], features[tap]) < 1e-5 for tap in TAPS)


def test_an_artifact_without_gradients_computes_the_targets_only(tmp_path: Path) -> None:
    network = LoadedNetwork.load(CONFIG.with_options(extractor=export(tmp_path, "onnx")))
    assert isinstance(network.artifact, OnnxExtractor)
    assert isinstance(network.extractor, FusedVGG)
    with pytest.raises(UsageError, match="was exported with --pooling max and this run uses average"):
        LoadedNetwork.load(CONFIG.with_options(extractor=str(tmp_path / "extractor.onnx"), pooling="average"))
    with pytest.raises(UsageError, match="and not relu3_1: export one with all the layers of this run"):
        LoadedNetwork.load(CONFIG.with_options(extractor=str(tmp_path / "extractor.onnx"), content_layers="relu3_1"))


def options_read_by_load(**options: Any) -> set[str]:
    """Return the names of the options that `LoadedNetwork.load` reads from a configuration."""
    read: set[str] = set()

    class RecordedConfig(TransferConfig):
        def __getattribute__(self, name: str) -> Any:
            read.add(name)
            return super().__getattribute__(name)

    config = RecordedConfig(device="cpu", content_layers="relu4_2", style_layers="relu1_1", **options)
    read.clear()
    LoadedNetwork.load(config)
    return read & options_of(TransferConfig).keys()


def test_the_network_depends_on_the_listed_options_only(monkeypatch: pytest.MonkeyPatch) -> None:
    artifact = SimpleNamespace(differentiable=False, manifest=MANIFEST)
    monkeypatch.setattr(loaded_network, "open_extractor", lambda path, device: artifact)
    assert options_read_by_load() | options_read_by_load(extractor="features.onnx") == set(LOAD_OPTIONS)
