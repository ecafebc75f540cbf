"""torch.export archives of extractors."""

from collections.abc import Callable
from pathlib import Path

import torch

from core.network.vgg import load_vgg_features
from core.network.weights import Weights

TAPS = ("relu1_1", "relu2_1", "relu3_1")


def test_torch_export_loads_the_program_for_any_size_and_batch(
    exported: Callable[..., Path], vgg19_weights: Weights
) -> None:
    program = torch.export.load(exported("pt2")).module()
    eager = load_vgg_features(vgg19_weights, TAPS)
    for shape in ((1, 3, 16, 16), (3, 3, 31, 50)):
        image = torch.rand(shape, generator=torch.Generator().manual_seed(0))
        for tap, features in program(image).items():
            assert torch.equal(features, eager(image)[tap])
