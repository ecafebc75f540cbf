import numpy as np
import torch

from core.backends.loaded_network import Network
from core.backends.style_cache import MOST, StyleStatisticsCache
from core.backends.torch_backend import TorchBackend
from core.config.transfer_config import TransferConfig
from core.objective.objective import Measures
from core.objective.weights import LossWeights

TERMS = LossWeights.of(TransferConfig(), 1.0)
RNG = np.random.default_rng(0)
CONTENT, OTHER, STYLE = (RNG.random((1, 3, 32, 40), dtype=np.float32) for _ in range(3))


class Counting:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, picture: torch.Tensor) -> Measures:
        self.calls += 1
        return {("style", "relu1_1", 0): picture.mean()}


def test_a_picture_is_measured_once_for_the_same_terms() -> None:
    remembered, measure, picture = StyleStatisticsCache(), Counting(), torch.rand(1, 3, 4, 6)
    first = remembered.measure(picture, TERMS, measure)
    assert remembered.measure(picture.clone(), TERMS, measure) is first
    assert measure.calls == 1
    for other, terms in (
        (picture.reshape(1, 3, 6, 4), TERMS),
        (picture + 1e-6, TERMS),
        (picture, LossWeights.of(TransferConfig(style_loss="wasserstein"), 1.0)),
        (picture, LossWeights.of(TransferConfig(style_layers="relu1_1"), 1.0)),
    ):
        before = measure.calls
        remembered.measure(other, terms, measure)
        assert measure.calls == before + 1


def test_what_is_as_large_as_features_is_not_kept() -> None:
    remembered, measure = StyleStatisticsCache(), Counting()
    terms = LossWeights.of(TransferConfig(style_loss="sliced-wasserstein"), 1.0)
    for _ in range(2):
        remembered.measure(torch.zeros(1, 3, 4, 4), terms, measure)
    assert measure.calls == 2


def test_the_oldest_is_forgotten() -> None:
    remembered, measure = StyleStatisticsCache(), Counting()
    pictures = [torch.full((1, 3, 2, 2), float(value)) for value in range(MOST + 1)]
    for picture in pictures:
        remembered.measure(picture, TERMS, measure)
    remembered.measure(pictures[-1], TERMS, measure)
    assert measure.calls == MOST + 1
    remembered.measure(pictures[0], TERMS, measure)
    assert measure.calls == MOST + 2


def test_engines_on_one_network_measure_a_style_once(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    config = TransferConfig(content_layers="relu2_1", style_layers="relu1_1")
    network = Network.load(config)
    seen = []
    compute = type(network.extractor).__call__
    monkeypatch.setattr(
        type(network.extractor), "__call__", lambda self, x: seen.append(tuple(x.shape)) or compute(self, x)
    )
    first = TorchBackend(config, network).objective(CONTENT, STYLE)
    assert len(seen) == 2
    second = TorchBackend(config, network).objective(OTHER, STYLE)
    assert len(seen) == 3
    fresh = TorchBackend(config).objective(OTHER, STYLE)
    image = torch.from_numpy(CONTENT)
    assert second(image).loss == fresh(image).loss != first(image).loss
