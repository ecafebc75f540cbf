"""The network of a run, and the options that it depends on."""

from types import SimpleNamespace
from typing import Any

import pytest

from core.backends import loaded_network
from core.backends.loaded_network import NETWORK_OPTIONS, LoadedNetwork
from core.config.options import options_of
from core.config.transfer_config import TransferConfig
from support.manifests import MANIFEST

LAYERS = {"content_layers": "relu4_2", "style_layers": "relu1_1"}


def options_read_by_load(**options: Any) -> set[str]:
    """Return the names of the options that `LoadedNetwork.load` reads from a configuration."""
    read: set[str] = set()

    class RecordedConfig(TransferConfig):
        def __getattribute__(self, name: str) -> Any:
            read.add(name)
            return super().__getattribute__(name)

    config = RecordedConfig(device="cpu", **LAYERS, **options)
    read.clear()
    LoadedNetwork.load(config)
    return read & options_of(TransferConfig).keys()


@pytest.mark.usefixtures("tiny_vgg")
def test_the_network_depends_on_the_listed_options_only(monkeypatch: pytest.MonkeyPatch) -> None:
    artifact = SimpleNamespace(differentiable=False, manifest=MANIFEST)
    monkeypatch.setattr(loaded_network, "open_extractor", lambda path, device: artifact)
    assert options_read_by_load() | options_read_by_load(extractor="features.onnx") == set(NETWORK_OPTIONS)
