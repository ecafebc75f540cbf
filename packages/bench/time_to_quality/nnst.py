"""The program NNST: Kolkin et al., Neural Neighbor Style Transfer (arXiv 2203.13215), with its own schedule.

It has the settings of its authors' program, and runs on the network of the toolkit, like the presets. The network is
that of the default, VGG-19, with its layers up to relu4_3; theirs is VGG-16.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
from torch import Tensor

from bench.time_to_quality.laplacian_pyramid import compose, decompose
from bench.time_to_quality.nnst_colors import correct_colors
from bench.time_to_quality.nnst_losses import (
    Features,
    hypercolumn_loss,
    hypercolumns,
    layer_loss,
    nearest,
    quarter_of,
    rotations,
)
from bench.time_to_quality.task import Snapshot, to_pixels
from core.arrays import Pixels, size_of
from core.backends.loaded_network import LoadedNetwork
from core.config.transfer_config import TransferConfig
from core.errors import UsageError
from core.image.resize import resize
from core.network.vjp import forward_with_vjp

TAPS = ("relu1_1", "relu1_2", "relu2_1", "relu2_2", "relu3_1", "relu3_2", "relu3_3", "relu4_1", "relu4_2", "relu4_3")

STEPS = 200
"""Steps of Adam at each scale, and in the last pass."""

LEARNING_RATE = 2e-3

MIN_SIDE = 8
"""Pixels of the coarsest scale that relu4_3 needs."""

LEVELS = 8
"""Levels of the Laplacian pyramids."""

RESULT_SHARE = 0.25
"""Share of the result so far in the image whose hypercolumns are matched; the rest is the photograph."""

LARGE = 1024
"""Long side from which on `LARGE_SCALES` and `LARGE_MISSING` hold."""

SCALES, MISSING = 4, 3
LARGE_SCALES, LARGE_MISSING = 5, 2
"""Number of scales, and number of the finest bands of the photograph that are not in the initial image."""


def count_evaluations(long_side: int) -> int:
    """Return the number of evaluations of a run with its last pass."""
    return STEPS * (_scales(long_side) + 1)


def prepare_nnst(content: Pixels, style: Pixels) -> Iterator[Snapshot]:
    """Load the network, and return a run for images (1, 3, h, w), RGB in [0, 1].

    The result is as large as `content`. The long side of `style` is made equal to that of `content`.

    Raises:
        UsageError: An image is too small for the coarsest scale.
    """
    width, height = size_of(style)
    factor = max(size_of(content)) / max(width, height)
    style = resize(style, (round(width * factor), round(height * factor)))
    shortest = min(*size_of(content), *size_of(style))
    if (smallest := MIN_SIDE * 2 ** (_scales(max(size_of(content))) - 1)) > shortest:
        raise UsageError(
            f"nnst needs sides of at least {smallest} px, and an image has {shortest}: use a larger --size"
        )
    network = LoadedNetwork.load(TransferConfig(content_layers=("relu4_2",), style_layers=TAPS))
    images = (torch.tensor(pixels, device=network.device) for pixels in (content, style))
    return _Run(network, *images).snapshots()


class _Run:
    """The Laplacian pyramids of the content image, the style image and the result."""

    def __init__(self, network: LoadedNetwork, content: Tensor, style: Tensor) -> None:
        self._network, self._draw = network, random.Random(0)
        self._content_image, self._style_image = content, style
        self._content, self._style, self._result = (decompose(image, LEVELS) for image in (content, style, content))
        long_side = max(content.shape[2:])
        self._scales = _scales(long_side)
        for band in range(LARGE_MISSING if long_side >= LARGE else MISSING):
            self._result[band] = torch.zeros_like(self._result[band])

    def snapshots(self) -> Iterator[Snapshot]:
        """Optimise from the coarsest to the finest scale, and yield after every step."""
        used = 0
        for scale in reversed(range(self._scales)):
            loss = partial(_hypercolumn_loss, self._target(scale))
            yield from self._optimized(scale, loss, used)
            used += STEPS
        styles = [self._features(one) for one in rotations(compose(self._style))]
        yield from self._optimized(0, partial(self._layer_loss, styles), used)

    def _target(self, scale: int) -> Tensor:
        """Return what the hypercolumns of the result are compared with at a scale, (1, C, h, w).

        For each hypercolumn of the photograph it is the nearest one of the style image.
        """
        share = 0.0 if scale == self._scales - 1 else RESULT_SHARE
        result = compose([self._content[scale], *self._result[scale + 1 :]])
        mixed = share * result + (1 - share) * compose(self._content[scale:])
        described = hypercolumns(self._features(mixed), quarter_of(mixed))
        style = compose(self._style[scale:])
        candidates = [hypercolumns(self._features(one), quarter_of(one))[0].flatten(1) for one in rotations(style)]
        return nearest(described[0].flatten(1), torch.cat(candidates, 1)).reshape(described.shape)

    def _optimized(self, scale: int, loss: Callable[[Features], Tensor], used: int) -> Iterator[Snapshot]:
        """Make `STEPS` steps of Adam on the bands from `scale` on, and yield after each."""
        bands = [band.clone().requires_grad_(True) for band in self._result[scale:]]
        optimizer = torch.optim.Adam(bands, lr=LEARNING_RATE)
        for step in range(1, STEPS + 1):
            image = compose(bands)
            optimizer.zero_grad()
            torch.autograd.backward(image, self._gradient(image.detach(), loss))
            optimizer.step()
            self._result[scale:] = [band.detach() for band in bands]
            is_last = used + step == STEPS * (self._scales + 1)
            yield Snapshot(used + step, self._finish() if is_last else self._deliver)
        self._result[scale:] = decompose(compose(self._result[scale:]), LEVELS - scale)

    def _gradient(self, image: Tensor, loss: Callable[[Features], Tensor]) -> Tensor:
        """Return the gradient of a loss of features with respect to an image (1, 3, h, w)."""
        features, vjp = forward_with_vjp(self._network.extractor, image)
        leaves = {tap: values.float().requires_grad_(True) for tap, values in features.items()}
        with torch.enable_grad():
            gradients = dict(zip(leaves, torch.autograd.grad(loss(leaves), [*leaves.values()]), strict=True))

        def accumulate_grad(tap: str, _: Tensor, gradient: Tensor) -> None:
            gradient += gradients.pop(tap).to(gradient.dtype)

        return vjp(accumulate_grad)

    def _features(self, image: Tensor) -> Features:
        with torch.no_grad():
            return self._network.extractor(image)

    def _layer_loss(self, styles: Sequence[Features], features: Features) -> Tensor:
        return layer_loss(features, styles, self._draw)

    def _finish(self) -> Callable[[], Pixels]:
        """Correct the colours of the result, which is a part of the run, and return a function that returns it."""
        result = self._deliver()
        return lambda: result

    def _deliver(self) -> Pixels:
        with torch.no_grad():
            return to_pixels(correct_colors(self._content_image, self._style_image, compose(self._result)))


def _scales(long_side: int) -> int:
    return LARGE_SCALES if long_side >= LARGE else SCALES


def _hypercolumn_loss(target: Tensor, features: Features) -> Tensor:
    return hypercolumn_loss(hypercolumns(features, (target.shape[2], target.shape[3])), target)
