"""What every contender is given, and what it shows on its way."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from core.objective.objective import ReferenceObjective, compute_targets
from torch import Tensor

from core.arrays import Pixels
from core.backends.device import choose_device
from core.config.transfer_config import TransferConfig
from core.network.vgg import VGGFeatures, load_vgg_features
from core.network.weights import Weights
from core.objective.weights import LossWeights


@dataclass(frozen=True)
class Snapshot:
    """What a contender has after so many evaluations.

    `deliver` gives its picture, (1, 3, H, W) of the final size, as it would be written to a file, apart from the
    rounding; values outside [0, 1] are still to be clipped. It must be called before the contender goes on.
    """

    evaluations: int
    deliver: Callable[[], Pixels]


@dataclass(frozen=True, eq=False)
class Task:
    """What all contenders are given: two pictures (1, 3, H, W) of the final size, rounded to 8 bits, and the network.

    `config` says the objective, and all that ours does. `evaluations` is the length of a peer's run.
    """

    content: Pixels
    style: Pixels
    config: TransferConfig
    weights: Weights
    evaluations: int

    @cached_property
    def device(self) -> torch.device:
        """Where everything is computed."""
        return choose_device(self.config.device)

    @cached_property
    def terms(self) -> LossWeights:
        """The weights of the losses."""
        return LossWeights.of(self.config, self.weights.preprocessing.activation_scale)

    def network(self, *more: str) -> VGGFeatures:
        """A plain network that ends at the last tap of the objective, or of `more` taps beside it."""
        taps = (*self.terms.content, *self.terms.style, *more)
        return load_vgg_features(self.weights, taps, pooling=self.config.pooling, device=self.device)

    def objective(self, network: VGGFeatures) -> ReferenceObjective:
        """The objective by plain autograd, its targets computed."""
        content, style = self.tensor(self.content), self.tensor(self.style)
        return ReferenceObjective(network, compute_targets(network, content, style, self.terms), self.terms)

    def tensor(self, pixels: Pixels) -> Tensor:
        """A copy of a picture on the device."""
        return torch.tensor(pixels, device=self.device)


def to_pixels(image: Tensor) -> Pixels:
    """A copy of an image (1, 3, H, W) as it is now; its values are left as they are."""
    return image.detach().cpu().numpy().copy()
