"""What a workload is: its case, what it does, and how many operations that must take."""

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
    """This machine cannot run a workload; the text says why."""


@dataclass(frozen=True)
class Case:
    """One workload: what runs, how, where, and on a picture of what size in pixels."""

    suite: str
    backend: str
    device: str
    width: int
    height: int

    @property
    def pixels(self) -> int:
        """Its size."""
        return self.width * self.height


@dataclass(frozen=True)
class Work:
    """A workload made ready.

    `call` does it once and returns what came out, on CUDA perhaps before it is there. `check` raises
    StyleTransferError if that is not what it should be. `flop` is what one evaluation must compute, None where
    that is no measure of it.
    """

    call: Callable[[], Any]
    check: Callable[[Any], None]
    precision: str = "fp32"
    evaluations: int = 1
    flop: float | None = None


def picture(width: int, height: int, seed: int) -> Pixels:
    """A picture with structure at every size, (1, 3, H, W) float32 in [0, 1]: noise of ever finer grain."""
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


def flop_of(width: int, height: int, *, gradient: bool) -> float:
    """Operations an evaluation must do: 2 for every multiply-accumulate of the convolutions up to the last tap.

    `gradient`: with the way back to the image, which costs each convolution as much again.
    """
    convolutions = [layer for layer in truncated(CONFIG.arch, TAPS) if layer.kind == "conv"]
    forward = sum(
        2 * 9 * c.in_channels * c.out_channels * (width // c.stride) * (height // c.stride) for c in convolutions
    )
    return float(forward * (2 if gradient else 1))


def blend(content: Pixels, style: Pixels) -> Pixels:
    """A picture that is neither content nor style, so that no part of the loss is zero there."""
    mixed: Pixels = 0.7 * content + 0.3 * style
    return mixed
