"""A pass through a network that can be taken back: the features first, and the gradient once they have been judged."""

from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

Features = Callable[[Tensor], Mapping[str, Tensor]]
"""From an image (1, 3, H, W) RGB in [0, 1] to its features (1, C, h, w) at every tap, by their names."""

AddPull = Callable[[str, Tensor, Tensor], None]
"""Adds to the gradient of the features at a tap, the second of two (1, C, h, w), what pulls at them there."""


class Pass(Protocol):
    """The features (1, C, h, w) at every tap, and the way back from them, which can be taken once."""

    @property
    def features(self) -> Mapping[str, Tensor]:
        """By tap, until the way back is taken."""
        ...

    def back(self, add_pull: AddPull) -> Tensor:
        """The gradient with respect to the image, (1, 3, H, W)."""
        ...


@runtime_checkable
class Recorder(Protocol):
    """An extractor that knows its own way back."""

    def record(self, image: Tensor) -> Pass:
        """Its features of an image (1, 3, H, W), with the way back."""
        ...


def record(extractor: Features, image: Tensor) -> Pass:
    """A pass of `image`, (1, 3, H, W) RGB in [0, 1], through any extractor that autograd can follow."""
    return extractor.record(image) if isinstance(extractor, Recorder) else _ByAutograd(extractor, image)


class _ByAutograd:
    def __init__(self, extractor: Features, image: Tensor) -> None:
        with torch.enable_grad():
            self._image = image.detach().requires_grad_(True)
            self._followed = extractor(self._image)
        self.features = {tap: features.detach() for tap, features in self._followed.items()}

    def back(self, add_pull: AddPull) -> Tensor:
        gradients = {tap: torch.zeros_like(features) for tap, features in self.features.items()}
        for tap, gradient in gradients.items():
            add_pull(tap, self.features[tap], gradient)
        (gradient,) = torch.autograd.grad(
            [self._followed[tap] for tap in gradients], self._image, [*gradients.values()]
        )
        return gradient
