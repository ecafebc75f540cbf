"""Networks and images for tests of the objective."""

from functools import cache

import torch
from torch import Tensor

from core.config.transfer_config import TransferConfig
from core.network.architecture import ARCHITECTURES
from core.network.vgg import VGGFeatures, load_vgg_features
from core.network.weights import PREPROCESSINGS, Weights, load_weights
from support.tiny_vgg import random_state

CPU = torch.device("cpu")
SHALLOW = {"content_layers": "relu3_1", "style_layers": "relu1_1,relu2_1,relu3_1", "style_weight": "1,2,3"}
"""Layers with a small receptive field, so that small images have tiles whose halo does not reach a border."""


def random_image(seed: int, width: int, height: int) -> Tensor:
    """(1, 3, H, W) float64."""
    return torch.rand((1, 3, height, width), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def random_vgg16() -> Weights:
    """A VGG-16 with random weights, of full width unless `tiny_vgg` is in use."""
    return Weights("vgg16", "random", "", PREPROCESSINGS["torchvision"], random_state("vgg16"))


def network(config: TransferConfig, dtype: torch.dtype = torch.float64) -> VGGFeatures:
    """The extractor of `config` with the Oxford VGG-19 or a random VGG-16."""
    weights = _vgg19(ARCHITECTURES["vgg19"]) if config.arch == "vgg19" else random_vgg16()
    taps = (*config.content_layers, *config.style_layers)
    return load_vgg_features(weights, taps, pooling=config.pooling).to(dtype)


def relative_error(found: Tensor, expected: Tensor) -> float:
    """Relative L2 error."""
    return float((found - expected).norm() / expected.norm())


@cache
def _vgg19(blocks: object) -> Weights:
    """`blocks` distinguishes the published network from the tiny one."""
    return load_weights("vgg19")
