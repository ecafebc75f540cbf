"""Networks and images for tests of the objective."""

import torch
from torch import Tensor

from core.config.transfer_config import TransferConfig
from core.network.vgg import VGGFeatures, load_vgg_features
from core.network.weights import PREPROCESSINGS, Weights, load_weights
from support.tiny_vgg import random_state

CPU = torch.device("cpu")
SHALLOW = {"content_layers": "relu3_1", "style_layers": "relu1_1,relu2_1,relu3_1", "style_weight": "1,2,3"}
"""Layers that see little, so that small pictures have tiles in their midst, away from every border."""


def picture(seed: int, width: int, height: int) -> Tensor:
    return torch.rand((1, 3, height, width), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def random_vgg16() -> Weights:
    """A VGG-16 of full width with random weights."""
    return Weights("vgg16", "random", "", PREPROCESSINGS["torchvision"], random_state("vgg16"))


def network(config: TransferConfig, dtype: torch.dtype = torch.float64) -> VGGFeatures:
    weights = load_weights("vgg19") if config.arch == "vgg19" else random_vgg16()
    taps = (*config.content_layers, *config.style_layers)
    return load_vgg_features(weights, taps, pooling=config.pooling).to(dtype)


def relative(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())
