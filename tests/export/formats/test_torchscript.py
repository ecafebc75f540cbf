"""TorchScript archives of extractors."""

from collections.abc import Callable
from pathlib import Path

import torch

from core.artifacts.extractors import without_warnings


def test_module_is_frozen_and_returns_features_by_tap(exported: Callable[..., Path]) -> None:
    with without_warnings():
        module = torch.jit.load(exported("torchscript"))
    assert list(module.state_dict()) == []  # the weights are constants
    assert list(module(torch.rand(1, 3, 20, 30))) == ["relu1_1", "relu2_1", "relu3_1"]
