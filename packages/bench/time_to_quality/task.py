"""The task that every program solves, and the snapshots that it yields."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from core.arrays import Pixels
from core.backends.device import choose_device
from core.config.transfer_config import TransferConfig
from core.network.vgg import VGGFeatures, load_vgg_features
from core.network.weights import Weights
from core.objective.reference import ReferenceObjective
from core.objective.targets import compute_targets
from core.objective.tiled_extractor import TiledFeatureExtractor
from core.objective.weights import LossWeights
from core.styles import StyleExemplar


@dataclass(frozen=True)
class Snapshot:
    """State of a program after `evaluations`.

    `deliver` returns the image as the program would write it, apart from rounding: (1, 3, H, W) of the final size,
    RGB, values outside [0, 1] not yet clipped. Call it before the program yields its next snapshot.
    """

    evaluations: int
    deliver: Callable[[], Pixels]


@dataclass(frozen=True, eq=False)
class Task:
    """Input of every program.

    `content` and `style` are (1, 3, H, W) of the final size, float32 in [0, 1], rounded to 8 bits. `config` defines
    the objective for all programs, and the whole run of the toolkit. `evaluations` is the length of a baseline's run.
    """

    content: Pixels
    style: Pixels
    config: TransferConfig
    weights: Weights
    evaluations: int

    @cached_property
    def device(self) -> torch.device:
        """Device of all computations."""
        return choose_device(self.config.device)

    @cached_property
    def loss_weights(self) -> LossWeights:
        """Loss weights."""
        return LossWeights.of(self.config, self.weights.preprocessing.activation_scale)

    def network(self, *extra_taps: str) -> VGGFeatures:
        """Load a plain network that ends at the last tap of the objective or of `extra_taps`."""
        taps = (*self.loss_weights.content, *self.loss_weights.style, *extra_taps)
        return load_vgg_features(self.weights, taps, pooling=self.config.pooling, device=self.device)

    def objective(self, network: VGGFeatures) -> ReferenceObjective:
        """Compute the targets, and return the objective by plain autograd."""
        content, style = self.tensor(self.content), self.tensor(self.style)
        features = TiledFeatureExtractor.whole(network, network.arch, network.taps, self.device)
        targets = compute_targets(features, content, [StyleExemplar((style,))], self.loss_weights)
        return ReferenceObjective(network, targets, self.loss_weights)

    def tensor(self, pixels: Pixels) -> Tensor:
        """Copy an image to the device."""
        return torch.tensor(pixels, device=self.device)


def to_pixels(image: Tensor) -> Pixels:
    """Copy an image (1, 3, H, W) to a NumPy array, values unchanged."""
    return image.detach().cpu().numpy().copy()
