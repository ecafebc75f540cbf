"""The statistics of a style image are computed once for the same network, layers and style loss."""

import numpy as np
import pytest
import torch

from core.backends.loaded_network import LoadedNetwork
from core.backends.torch_backend import TorchBackend, TorchObjective
from core.config.transfer_config import TransferConfig
from core.objective.style_cache import MAX_ENTRIES, StyleStatisticsCache
from core.objective.types import FeatureStatistics
from core.objective.weights import LossWeights
from core.styles import StyleExemplar

WEIGHTS = LossWeights.of(TransferConfig(), 1.0)
RNG = np.random.default_rng(0)
CONTENT, OTHER, STYLE = (RNG.random((1, 3, 32, 40), dtype=np.float32) for _ in range(3))


class CountedStatistics:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> FeatureStatistics:
        self.calls += 1
        return {("style", "relu1_1", 0): torch.tensor(float(self.calls))}


def test_statistics_are_computed_once_for_equal_images_and_weights() -> None:
    cache, compute, image = StyleStatisticsCache(), CountedStatistics(), torch.rand(1, 3, 4, 6)
    first = cache.get(image, None, WEIGHTS, compute)
    assert cache.get(image.clone(), None, WEIGHTS, compute) is first
    assert compute.calls == 1
    mask = torch.ones(1, 1, 4, 6)
    for other, style_mask, weights in (
        (image.reshape(1, 3, 6, 4), None, WEIGHTS),
        (image + 1e-6, None, WEIGHTS),
        (image, mask, WEIGHTS),
        (image, mask / 2, WEIGHTS),
        (image, None, LossWeights.of(TransferConfig(style_loss="wasserstein"), 1.0)),
        (image, None, LossWeights.of(TransferConfig(style_layers="relu1_1"), 1.0)),
    ):
        before = compute.calls
        cache.get(other, style_mask, weights, compute)
        assert compute.calls == before + 1


class TensorOnOtherDevice(torch.Tensor):
    """A tensor whose values can be read here, as those of CUDA, but that names another device."""

    @property
    def device(self) -> torch.device:
        return torch.device("meta")


def test_a_device_does_not_get_the_statistics_of_another() -> None:
    """A batch shares the cache, and its runs may be planned on the host or on the device."""
    cache, compute, image = StyleStatisticsCache(), CountedStatistics(), torch.rand(1, 3, 4, 6)
    found = [cache.get(one, None, WEIGHTS, compute) for one in (image, image.as_subclass(TensorOnOtherDevice), image)]
    assert compute.calls == 2
    assert found[0] is found[2] is not found[1]


def test_statistics_as_large_as_features_are_not_stored() -> None:
    cache, compute = StyleStatisticsCache(), CountedStatistics()
    weights = LossWeights.of(TransferConfig(style_loss="sliced-wasserstein"), 1.0)
    for _ in range(2):
        cache.get(torch.zeros(1, 3, 4, 4), None, weights, compute)
    assert compute.calls == 2


def test_the_least_recently_used_entry_is_removed() -> None:
    cache, compute = StyleStatisticsCache(), CountedStatistics()
    images = [torch.full((1, 3, 2, 2), float(value)) for value in range(MAX_ENTRIES + 1)]
    for image in images:
        cache.get(image, None, WEIGHTS, compute)
    cache.get(images[-1], None, WEIGHTS, compute)
    assert compute.calls == MAX_ENTRIES + 1
    cache.get(images[0], None, WEIGHTS, compute)
    assert compute.calls == MAX_ENTRIES + 2


def test_backends_on_one_network_share_the_statistics(tiny_vgg: None, monkeypatch: pytest.MonkeyPatch) -> None:
    config = TransferConfig(content_layers="relu2_1", style_layers="relu1_1")
    network = LoadedNetwork.load(config)
    shapes: list[tuple[int, ...]] = []
    compute = type(network.extractor).__call__

    def recorded(self: object, image: torch.Tensor) -> object:
        shapes.append(tuple(image.shape))
        return compute(self, image)

    monkeypatch.setattr(type(network.extractor), "__call__", recorded)

    def objective_of(content: np.ndarray, network: LoadedNetwork | None = None) -> TorchObjective:
        backend = TorchBackend(config, network)
        return backend.objective(content, [StyleExemplar((STYLE,))], backend.plan((40, 32), (40, 32)))

    first = objective_of(CONTENT, network)
    assert len(shapes) == 2
    second = objective_of(OTHER, network)
    assert len(shapes) == 3
    fresh = objective_of(OTHER)
    image = torch.from_numpy(CONTENT)
    assert second(image).parts == fresh(image).parts != first(image).parts
