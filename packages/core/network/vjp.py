"""A pass through a network that can be taken back: the features first, and the gradient once they have been judged."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

Features = Callable[[Tensor], Mapping[str, Tensor]]
"""From an image (1, 3, H, W) RGB in [0, 1] to its features (1, C, h, w) at every tap, by their names."""

AccumulateGrad = Callable[[str, Tensor, Tensor], None]
"""Adds to the gradient of the features at a tap, the second of two (1, C, h, w), what pulls at them there."""

SaveForBackward = Callable[[Tensor], Tensor]
"""Takes features that the way back will need, and returns them, perhaps from another place."""


def save_by_reference(features: Tensor) -> Tensor:
    """Keeps features by themselves."""
    return features


class Pass(Protocol):
    """The way back from the features, which can be taken once."""

    def back(self, add_pull: AccumulateGrad) -> Tensor:
        """The gradient with respect to the image, (1, 3, H, W)."""
        ...


FeaturesWithVJP = tuple[Mapping[str, Tensor], Pass]
"""Features (1, C, h, w) by tap, and the way back from them."""


@runtime_checkable
class DifferentiableFeatures(Protocol):
    """An extractor that knows its own way back."""

    def record(
        self, image: Tensor, *, checkpoint_first_block: bool = False, keep: SaveForBackward = save_by_reference
    ) -> FeaturesWithVJP:
        """Its features of an image (1, 3, H, W), with the way back; `checkpoint_first_block` takes less memory and more time.

        What must last until then is given to `keep`.
        """
        ...


def record(
    extractor: Features,
    image: Tensor,
    *,
    checkpoint_first_block: bool = False,
    keep: SaveForBackward = save_by_reference,
) -> FeaturesWithVJP:
    """What `image`, (1, 3, H, W) RGB in [0, 1], gives in any extractor that autograd can follow.

    Those that know their own way back can be `checkpoint_first_block` with memory, and `keep` what they must in a place of choice.
    """
    if isinstance(extractor, DifferentiableFeatures):
        return extractor.record(image, checkpoint_first_block=checkpoint_first_block, keep=keep)
    with torch.enable_grad():
        image = image.detach().requires_grad_(True)
        followed = extractor(image)
    features = {tap: values.detach() for tap, values in followed.items()}
    return features, _ByAutograd(image, followed, features)


@dataclass(frozen=True)
class _ByAutograd:
    image: Tensor
    followed: Mapping[str, Tensor]
    features: Mapping[str, Tensor]

    def back(self, add_pull: AccumulateGrad) -> Tensor:
        gradients = {tap: torch.zeros_like(values) for tap, values in self.features.items()}
        for tap, gradient in gradients.items():
            add_pull(tap, self.features[tap], gradient)
        (gradient,) = torch.autograd.grad([*self.followed.values()], self.image, [*gradients.values()])
        return gradient
