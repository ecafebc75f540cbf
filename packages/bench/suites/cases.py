"""Definition of a workload, its synthetic images, and its operation count."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.arrays import Pixels
from core.config.transfer_config import TransferConfig
from core.image.resize import resample
from core.network.architecture import truncated

CONFIG = TransferConfig()
TAPS = (*CONFIG.content_layers, *CONFIG.style_layers)


class Unavailable(Exception):
    """This machine cannot run a workload; the message gives the reason."""


@dataclass(frozen=True)
class Case:
    """Parameters of a workload: suite, backend, device, and image size in pixels."""

    suite: str
    backend: str
    device: str
    width: int
    height: int

    @property
    def pixels(self) -> int:
        """Number of pixels of the image."""
        return self.width * self.height


@dataclass(frozen=True)
class Workload:
    """A prepared workload.

    `call` runs it once and returns its output; on CUDA it may return before the device has finished. `check` raises
    StyleTransferError if the output is wrong. `evaluations` is the number of evaluations in one call, and `flop` the
    operations of one evaluation, None where arithmetic does not limit the speed.
    """

    call: Callable[[], Any]
    check: Callable[[Any], None]
    precision: str = "fp32"
    evaluations: int = 1
    flop: float | None = None


def synthetic_image(width: int, height: int, seed: int) -> Pixels:
    """Return noise with structure at every scale, (1, 3, H, W) float32, range [0, 1]."""
    generator = np.random.default_rng(seed)
    total = np.zeros((1, 3, height, width), np.float32)
    side = 4
    while side < 2 * max(width, height):
        noise = generator.standard_normal((1, 3, min(side, height), min(side, width))).astype(np.float32)
        total += resample(noise, (width, height)) / side**0.5
        side *= 2
    total -= total.min()
    scaled: Pixels = total / total.max()
    return scaled


def blend(content: Pixels, style: Pixels) -> Pixels:
    """Return a mix of content and style, at which no part of the loss is zero."""
    mixed: Pixels = 0.7 * content + 0.3 * style
    return mixed


def count_flop(width: int, height: int, *, gradient: bool) -> float:
    """Count the operations of one evaluation: 2 per multiply-accumulate of the convolutions up to the last tap.

    `gradient` adds the backward pass to the image, which costs each convolution as much again.
    """
    convolutions = [layer for layer in truncated(CONFIG.arch, TAPS) if layer.kind == "conv"]
    forward = sum(
        2 * 9 * c.in_channels * c.out_channels * (width // c.stride) * (height // c.stride) for c in convolutions
    )
    return float(forward * (2 if gradient else 1))
