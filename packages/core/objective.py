"""What a picture is judged by: its content against one picture, its style against another, its smoothness.

L = Σ a_l content_l + Σ b_l style_l + c TV, after equation 7 of Gatys et al. (arXiv 1508.06576).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from core.losses import content_loss, gram, moments, style_loss, total_variation, wasserstein_loss
from core.optimise import Evaluation
from core.terms import Terms

Features = Callable[[Tensor], Mapping[str, Tensor]]
"""From an image (1, 3, H, W) RGB in [0, 1] to its features (1, C, h, w) at every tap, by their names."""

StyleTarget = Tensor | tuple[Tensor, Tensor]
"""A Gram matrix (1, C, C), or mean (1, C) and covariance (1, C, C)."""


@dataclass(frozen=True)
class Targets:
    """What the features of the painting are compared with, computed once per scale."""

    content: Mapping[str, Tensor]
    style: Mapping[str, StyleTarget]


@torch.no_grad()
def compute_targets(extractor: Features, content: Tensor, style: Tensor, terms: Terms) -> Targets:
    """The features of the content and the statistics of the style; both (1, 3, H, W) RGB in [0, 1], any two sizes."""
    statistic = gram if terms.style_statistic == "gram" else moments
    content_features = extractor(content)
    content_targets = {tap: content_features[tap] for tap in terms.content}
    del content_features
    style_features = extractor(style)
    return Targets(content_targets, {tap: statistic(style_features[tap]) for tap in terms.style})


class TorchObjective:
    """The objective by PyTorch's autograd, on the whole picture at once."""

    def __init__(self, extractor: Features, targets: Targets, terms: Terms) -> None:
        self._extractor, self._targets, self._terms = extractor, targets, terms

    def __call__(self, image: Tensor) -> Evaluation:
        """Evaluate at `image`, (1, 3, H, W) RGB in [0, 1], H and W those of the content."""
        image = image.detach().requires_grad_(True)
        parts = self.parts(image)
        loss = torch.stack(list(parts.values())).sum()
        (gradient,) = torch.autograd.grad(loss, image)
        # One transfer for all the numbers: on CUDA each one waits for the device.
        total, *values = torch.stack([loss, *parts.values()]).tolist()
        return Evaluation(total, gradient, dict(zip(parts, values, strict=True)))

    def parts(self, image: Tensor) -> dict[str, Tensor]:
        """The weighted terms, named content, style and tv; their sum is the loss. Terms without weight are left out."""
        terms, targets = self._terms, self._targets
        features = self._extractor(image)
        distance = style_loss if terms.style_statistic == "gram" else wasserstein_loss
        parts = {
            "content": [w * content_loss(features[tap], targets.content[tap]) for tap, w in terms.content.items()],
            "style": [w * distance(features[tap], targets.style[tap]) for tap, w in terms.style.items()],  # type: ignore[arg-type]
            "tv": [terms.tv * total_variation(image)] if terms.tv else [],
        }
        return {name: torch.stack(values).sum() for name, values in parts.items() if values}
