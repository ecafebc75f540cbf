"""The estimated memory against what autograd saves."""

import math

import pytest
import torch
from torch import Tensor

from core.config.transfer_config import TransferConfig
from core.memory.cost_model import UNLIMITED, ExecutionStrategy
from core.memory.tiling import Tiling
from core.network.vgg import load_vgg_features
from core.network.weights import load_weights
from core.objective.reference import ReferenceObjective
from core.objective.targets import compute_targets
from core.objective.tiled import TiledObjective
from core.objective.tiled_extractor import TiledFeatureExtractor
from core.objective.weights import LossWeights
from core.styles import StyleExemplar

CONFIG = TransferConfig(precision="fp32")


@pytest.mark.parametrize("tile_size", [0, 48])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"pooling": "average"},
        {"content_layers": "relu3_1", "style_layers": "relu1_1,relu2_1"},
        {"content_layers": "conv1_2", "style_layers": "relu1_1"},
    ],
)
def test_the_estimate_is_at_least_what_autograd_saves(options: dict[str, str], tile_size: int) -> None:
    config, size = CONFIG.with_options(**options), (96, 80)
    saved = bytes_saved_by_autograd(config, size, tile_size)
    _, read = Tiling.of("vgg19", (*config.content_layers, *config.style_layers), tile_size or UNLIMITED).largest(size)
    temporary = 7 * 64 * 4 * math.prod(read)  # five times the largest layer, and the taps
    assert saved < ExecutionStrategy(size, config, tile_size).memory(size) < 1.5 * saved + temporary


def bytes_saved_by_autograd(config: TransferConfig, size: tuple[int, int], tile_size: int) -> int:
    """The peak of the bytes that autograd saves for the backward pass; every storage counts once."""
    taps, weights = (*config.content_layers, *config.style_layers), LossWeights.of(config, 57.6)
    extractor = load_vgg_features(load_weights("vgg19"), taps, pooling=config.pooling)
    image = torch.rand(1, 3, size[1], size[0], generator=torch.Generator().manual_seed(0))
    targets = compute_targets(
        TiledFeatureExtractor.whole(extractor, "vgg19", taps), image, [StyleExemplar((image,))], weights
    )
    objective: ReferenceObjective | TiledObjective = ReferenceObjective(extractor, targets, weights)
    if tile_size:
        tiles = TiledFeatureExtractor(extractor, Tiling.of("vgg19", taps, tile_size), torch.device("cpu"))
        objective = TiledObjective(tiles, targets, weights)
    held: dict[int, int] = {}
    most = 0

    def pack(tensor: Tensor) -> Tensor:
        nonlocal most
        if not isinstance(tensor, torch.nn.Parameter):
            held[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        most = max(most, sum(held.values()))
        return tensor

    def unpack(tensor: Tensor) -> Tensor:
        held.clear()  # in the backward pass; what is saved afterwards belongs to the next tile
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        objective(image)
    return most
