"""Objective artifacts and inputs that several tests share."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from support.shared_files import shared_file

CONTENT_TAPS, STYLE_TAPS = ("relu3_1",), ("relu1_1", "relu2_1")
OPTIONS = {"content_layers": CONTENT_TAPS, "style_layers": STYLE_TAPS}
"""The layers of these artifacts, as options of a run. The extractors of the fixture `exported` have the same layers."""


def exported_objective(factory: pytest.TempPathFactory, pooling: str = "max") -> Path:
    """Export the objective of the Oxford network with few layers, once per session: do not change the file."""
    from core.network.weights import load_weights
    from export.objective.graph import export_objective

    def write(path: Path) -> None:
        export_objective(path, load_weights("vgg19"), CONTENT_TAPS, STYLE_TAPS, pooling=pooling)

    return shared_file(factory, f"{pooling}.onnx", write)


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Uniform noise in [0, 1), float64."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def relative_difference(actual: Any, expected: Any) -> float:
    """|actual - expected| / |expected|."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    return float(np.linalg.norm(actual - expected) / np.linalg.norm(expected))


def loss_weights(
    content_taps: tuple[str, ...], style_taps: tuple[str, ...], tv: float = 3.0, style_loss: str = "gram"
) -> Any:
    """Loss weights that differ from tap to tap, scaled for the Oxford features."""
    from core.objective.weights import LossWeights

    content = {tap: (1 + position) / 57.6**2 for position, tap in enumerate(content_taps)}
    style = {tap: (0.1 + 0.05 * position) / 57.6**4 for position, tap in enumerate(style_taps)}
    return LossWeights(content, style, tv, style_loss)


def reference_and_arguments(module: Any, image: Tensor, *, style: Tensor | None = None) -> tuple[Any, list[Any]]:
    """The objective by autograd, and the arguments for which `module`, an `ObjectiveModule`, computes the same."""
    from core.objective.reference import ReferenceObjective
    from core.objective.targets import compute_targets
    from core.objective.tiled_extractor import TiledFeatureExtractor
    from core.styles import StyleExemplar

    weights = loss_weights(module.content_taps, module.style_taps, style_loss=module.style_loss)
    style = noise(1, 3, 40, 35, seed=9).to(image.dtype) if style is None else style
    extractor = TiledFeatureExtractor.whole(module.extractor, module.extractor.arch, module.extractor.taps)
    targets = compute_targets(extractor, image.flip(3), [StyleExemplar((style,))], weights)
    content = [targets.content[tap] for tap in module.content_taps]
    styles = [targets.styles[0].statistics[tap] for tap in module.style_taps]
    numbers = [[*weights.content.values()], [*weights.style.values()], [weights.tv]]
    arguments = [image, content, styles, *(torch.tensor(values, dtype=image.dtype) for values in numbers)]
    return ReferenceObjective(module.extractor, targets, weights), arguments
