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


def exported_objective(
    factory: pytest.TempPathFactory, pooling: str = "max", *, style_loss: str = "gram", regions: bool = False
) -> Path:
    """Export the objective of the Oxford network with few layers, once per session: do not change the file."""
    from core.network.weights import load_weights
    from export.objective.export import export_objective

    def write(path: Path) -> None:
        options = {"pooling": pooling, "style_loss": style_loss, "regions": regions}
        export_objective(path, load_weights("vgg19"), CONTENT_TAPS, STYLE_TAPS, **options)

    return shared_file(factory, f"{style_loss}-{pooling}{'-regions' if regions else ''}.onnx", write)


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Uniform noise in [0, 1), float64."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def relative_difference(actual: Any, expected: Any) -> float:
    """|actual - expected| / |expected|."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    return float(np.linalg.norm(actual - expected) / np.linalg.norm(expected))


def loss_weights(
    content_taps: tuple[str, ...],
    style_taps: tuple[str, ...],
    tv: float = 3.0,
    style_loss: str = "gram",
    content_detail: float = 0.0,
) -> Any:
    """Loss weights that differ from tap to tap, scaled for the Oxford features."""
    from core.config.style_losses import style_loss_spec
    from core.objective.weights import LossWeights

    power = style_loss_spec(style_loss).activation_power
    content = {tap: (1 + position) / 57.6**2 for position, tap in enumerate(content_taps)}
    style = {tap: (0.1 + 0.05 * position) / 57.6**power for position, tap in enumerate(style_taps)}
    return LossWeights(content, style, tv, style_loss, content_detail)


def reference_and_arguments(objective: Any, image: Tensor, *, style: Tensor | None = None) -> tuple[Any, list[Any]]:
    """The objective by autograd, and the arguments for which `objective`, an `ObjectiveGraph`, computes the same.

    With regions `style` applies to the whole image, and other styles to two masks.
    """
    from core.objective.reference import ReferenceObjective
    from core.objective.targets import compute_targets
    from core.objective.tiled_extractor import TiledFeatureExtractor
    from core.styles import StyleExemplar

    losses = {"style_loss": objective.style_loss, "content_detail": objective.content_detail}
    weights = loss_weights(objective.content_taps, objective.style_taps, **losses)
    style = noise(1, 3, 40, 35, seed=9).to(image.dtype) if style is None else style
    extractor = TiledFeatureExtractor.whole(objective.extractor, objective.extractor.arch, objective.extractor.taps)
    exemplars = [StyleExemplar((style,))]
    if objective.regions:
        masks = noise(2, 1, *image.shape[2:], seed=8).to(image.dtype)
        exemplars += [StyleExemplar((style.flip(3) ** power,), power, masks[power - 2, None]) for power in (2, 3)]
    targets = compute_targets(extractor, image.flip(3), exemplars, weights)
    content = [targets.content[tap] for tap in objective.content_taps]
    styles = [torch.cat([style.statistics[tap] for style in targets.styles]) for tap in objective.style_taps]
    style_weights = torch.tensor([*weights.style.values()], dtype=image.dtype)
    if objective.regions:
        style_weights = torch.tensor([[style.weight] for style in targets.styles], dtype=image.dtype) * style_weights
    if objective.style_loss == "moments":
        styles, factors = zip(*(_relative_moments(moments) for moments in styles), strict=True)
        style_weights = style_weights[..., None] * torch.stack(factors, 1)[slice(None) if objective.regions else 0]
    others = [torch.tensor(values, dtype=image.dtype) for values in ([*weights.content.values()], [weights.tv])]
    arguments = [image, content, styles, others[0], style_weights, others[1]]
    if objective.regions:
        regions = [targets.regions[style.region] for style in targets.styles]
        arguments.append([torch.cat([_mask(region, tap, image) for region in regions]) for tap in objective.style_taps])
    return ReferenceObjective(objective.extractor, targets, weights), arguments


def _relative_moments(moments: Tensor) -> tuple[Tensor, Tensor]:
    """The covariances and means (R, C, C + 1), and what their mean squared differences are multiplied by, (R, 2)."""
    squares, means = moments[..., :-1], moments[..., -1:]
    covariances = squares - means * means.mT
    least = squares.diagonal(dim1=1, dim2=2).mean(1) / 1000 + 1e-9
    variances = torch.maximum(covariances.diagonal(dim1=1, dim2=2).mean(1), least)
    squared_covariances = torch.maximum(covariances.square().mean((1, 2)), least.square())
    return torch.cat([covariances, means], 2), torch.stack([1 / squared_covariances, 1 / variances], 1)


def _mask(region: Any, tap: str, image: Tensor) -> Tensor:
    """The mask of a region at a tap, of ones for the whole of `image`."""
    from core.network.architecture import stride_of

    mask = region.mask(tap)
    return image.new_ones(1, 1, *(side // stride_of(tap) for side in image.shape[2:])) if mask is None else mask
