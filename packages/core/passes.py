"""A pass through a network that can be taken back: the features first, and the gradient once they have been judged."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

Features = Callable[[Tensor], Mapping[str, Tensor]]
"""From an image (1, 3, H, W) RGB in [0, 1] to its features (1, C, h, w) at every tap, by their names."""

AddPull = Callable[[str, Tensor, Tensor], None]
"""Adds to the gradient of the features at a tap, the second of two (1, C, h, w), what pulls at them there."""

Keep = Callable[[Tensor], Tensor]
"""Takes features that the way back will need, and returns them, perhaps from another place."""


def where_they_are(features: Tensor) -> Tensor:
    """Keeps features by themselves."""
    return features


class Pass(Protocol):
    """The way back from the features, which can be taken once."""

    def back(self, add_pull: AddPull) -> Tensor:
        """The gradient with respect to the image, (1, 3, H, W)."""
        ...


Recorded = tuple[Mapping[str, Tensor], Pass]
"""Features (1, C, h, w) by tap, and the way back from them."""


@runtime_checkable
class Recorder(Protocol):
    """An extractor that knows its own way back."""

    def record(self, image: Tensor, *, sparing: bool = False, keep: Keep = where_they_are) -> Recorded:
        """Its features of an image (1, 3, H, W), with the way back; `sparing` takes less memory and more time.

        What must last until then is given to `keep`.
        """
        ...


def record(extractor: Features, image: Tensor, *, sparing: bool = False, keep: Keep = where_they_are) -> Recorded:
    """What `image`, (1, 3, H, W) RGB in [0, 1], gives in any extractor that autograd can follow.

    Those that know their own way back can be `sparing` with memory, and `keep` what they must in a place of choice.
    """
    if isinstance(extractor, Recorder):
        return extractor.record(image, sparing=sparing, keep=keep)
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

    def back(self, add_pull: AddPull) -> Tensor:
        gradients = {tap: torch.zeros_like(values) for tap, values in self.features.items()}
        for tap, gradient in gradients.items():
            add_pull(tap, self.features[tap], gradient)
        (gradient,) = torch.autograd.grad([*self.followed.values()], self.image, [*gradients.values()])
        return gradient
