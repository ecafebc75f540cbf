"""The image that the optimisation of a scale starts from."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.arrays import Pixels
from core.config.transfer_config import TransferConfig
from core.errors import UsageError
from core.image.color import match_color_bands
from core.image.reading import read_image
from core.image.resize import resample, resize
from core.styles import StyleExemplar


def initial_image(content: Pixels, exemplars: Sequence[StyleExemplar], config: TransferConfig) -> Pixels:
    """What the run starts from: (1, 3, H, W) of the size of `content`, in [0, 1].

    `config.init` names it, or is the path of a picture, which is resized to fit. Noise is uniform, from
    `config.seed`.
    """
    if config.init == "content":
        return content
    if config.init == "matched":
        # The content hardly minds the colours, so a start in those of the style would decide them at any strength.
        matched = color_matched_image(content, exemplars)
        share = 1.0 if config.strength is None else min(1.0, 2 * config.strength)
        return matched if share == 1 else (1 - share) * content + share * matched
    if config.init in ("noise", "blend"):
        noise = np.random.default_rng(config.seed).random(content.shape, dtype=np.float32)
        share = 1.0 if config.init == "noise" else config.blend
        return (1 - share) * content + share * noise
    if not Path(config.init).is_file():
        raise UsageError(
            f"--init is {config.init!r}, which is no file: expected content, matched, noise, blend, or a picture"
        )
    return resize(read_image(config.init, name="--init").pixels, (content.shape[3], content.shape[2]))


def color_matched_image(content: Pixels, exemplars: Sequence[StyleExemplar]) -> Pixels:
    """`content` in the colours and contrasts of the styles, mixed as they are wanted at each pixel."""
    mixed, total = np.zeros_like(content), np.zeros_like(content[:, :1])
    for exemplar in exemplars:
        share = np.float32(exemplar.weight) * (np.ones_like(total) if exemplar.mask is None else exemplar.mask)
        mixed += share * match_color_bands(content, exemplar.images[0])
        total += share
    nowhere = total <= 0
    matched: Pixels = np.where(nowhere, content, mixed / np.where(nowhere, 1, total))
    return matched


def upsample_with_detail(coarse: Pixels, start: Pixels) -> Pixels:
    """The coarse painting at the size of `start`, with the details of `start` that it is too small to hold.

    Enlarging alone gives a blurred picture, whose style is further off than that of `start` ever was.
    """
    height, width = start.shape[2:]
    small = resample(start, (coarse.shape[3], coarse.shape[2]))
    enlarged: Pixels = resample(coarse - small, (width, height)) + start
    return enlarged.clip(0, 1)
