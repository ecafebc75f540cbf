"""Reverse-mode differentiation in two phases: features first, their vector-Jacobian product (VJP) later.

The two phases are separate because a tiled objective knows the loss gradients only after the forward passes of all
tiles.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

FeatureExtractor = Callable[[Tensor], Mapping[str, Tensor]]
"""From an image (1, 3, H, W), RGB in [0, 1], to its features (1, C, h, w) by tap."""

AccumulateGrad = Callable[[str, Tensor, Tensor], None]
"""`(tap, features, grad)`: accumulate dL/dfeatures at `tap` into `grad` in place; both (1, C, h, w)."""

SaveForBackward = Callable[[Tensor], Tensor]
"""Save a tensor for the backward pass and return the saved tensor, which may be a copy in another buffer."""


def save_by_reference(tensor: Tensor) -> Tensor:
    """Save a tensor without copying it."""
    return tensor


class VJP(Protocol):
    """The backward pass of an evaluation of features: a vector-Jacobian product, as in `torch.func.vjp`.

    It frees its saved activations and can therefore be called only once.
    """

    def __call__(self, accumulate_grad: AccumulateGrad) -> Tensor:
        """Return dL/dimage, (1, 3, H, W); `accumulate_grad` is called once for each tap."""
        ...


FeaturesWithVJP = tuple[Mapping[str, Tensor], VJP]
"""Features (1, C, h, w) by tap, and their backward pass."""


@runtime_checkable
class DifferentiableFeatures(Protocol):
    """An extractor that implements its own backward pass."""

    def forward_with_vjp(
        self, image: Tensor, *, checkpoint_first_block: bool = False, save: SaveForBackward = save_by_reference
    ) -> FeaturesWithVJP:
        """Return the features of an image, (1, 3, H, W), and their backward pass.

        `checkpoint_first_block` requests activation checkpointing of the layers before the first pooling: less memory,
        more time. Activations for the backward pass are passed to `save`.
        """
        ...


def forward_with_vjp(
    features: FeatureExtractor,
    image: Tensor,
    *,
    checkpoint_first_block: bool = False,
    save: SaveForBackward = save_by_reference,
) -> FeaturesWithVJP:
    """Return the features of an image and their backward pass, by autograd or by the extractor's own implementation.

    Args:
        features: The extractor.
        image: (1, 3, H, W), RGB in [0, 1].
        checkpoint_first_block: Recompute the layers before the first pooling in the backward pass. Ignored by autograd.
        save: Saves activations for the backward pass. Ignored by autograd.
    """
    if isinstance(features, DifferentiableFeatures):
        return features.forward_with_vjp(image, checkpoint_first_block=checkpoint_first_block, save=save)
    with torch.enable_grad():
        image = image.detach().requires_grad_(True)
        outputs = features(image)
    detached = {tap: values.detach() for tap, values in outputs.items()}
    return detached, _AutogradVJP(image, outputs, detached)


@dataclass(frozen=True)
class _AutogradVJP:
    """`outputs` are the features with their autograd graph, `features` the same without it."""

    image: Tensor
    outputs: Mapping[str, Tensor]
    features: Mapping[str, Tensor]

    def __call__(self, accumulate_grad: AccumulateGrad) -> Tensor:
        gradients = {tap: torch.zeros_like(values) for tap, values in self.features.items()}
        for tap, gradient in gradients.items():
            accumulate_grad(tap, self.features[tap], gradient)
        (gradient,) = torch.autograd.grad([*self.outputs.values()], self.image, [*gradients.values()])
        return gradient
