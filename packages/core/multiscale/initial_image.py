"""The image that the optimisation of a scale starts from."""

from collections.abc import Sequence

import numpy as np

from core.arrays import Pixels, size_of
from core.config.transfer_config import TransferConfig
from core.errors import UsageError
from core.files import exists
from core.image.color import match_colors
from core.image.reading import read_image
from core.image.resize import resize
from core.memory.reading import reading_memory
from core.styles import StyleExemplar


def finer_initial_image(coarse: Pixels, initial: Pixels, config: TransferConfig) -> Pixels:
    """Return the image (1, 3, H, W) in [0, 1] that a scale starts from after a coarser scale.

    It is the result of the coarser scale at the size of `initial`, the image from which this scale would start without
    it. With --init matched it also gets the colours of `initial` again: enlarging has blurred the strokes and so
    reduced the contrast, and few evaluations at a fine scale do not restore it.
    """
    enlarged = resize(coarse, size_of(initial))
    return match_colors(enlarged, initial).clip(0, 1) if config.init == "matched" else enlarged


def initial_image(content: Pixels, exemplars: Sequence[StyleExemplar], config: TransferConfig) -> Pixels:
    """Return the image (1, 3, H, W) in [0, 1] that a run starts from, with the size of `content`.

    `config.init` names it, or is the path of an image, which is resized. Noise is uniform, seeded by `config.seed`.

    Raises:
        UsageError: `config.init` is neither a known name nor an image file.
    """
    if config.init == "content":
        return content
    if config.init == "matched":
        # The content loss hardly depends on colours, so a full match would give the colours of the style at any
        # strength.
        matched = color_matched_image(content, exemplars)
        strength = config.normalized_strength
        share = 1.0 if strength is None else min(1.0, 2 * strength)
        return matched if share == 1 else (1 - share) * content + share * matched
    if config.init in ("noise", "blend"):
        noise = np.random.default_rng(config.seed).random(content.shape, dtype=np.float32)
        share = 1.0 if config.init == "noise" else config.blend
        return (1 - share) * content + share * noise
    if not exists(config.init):
        raise UsageError(
            f"--init is {config.init!r}, and there is no such file: expected content, matched, noise, blend, or an "
            "image file"
        )
    image = read_image(config.init, name="--init", memory=reading_memory(config))
    return resize(image.pixels, (content.shape[3], content.shape[2]))


def color_matched_image(content: Pixels, exemplars: Sequence[StyleExemplar]) -> Pixels:
    """Return `content` (1, 3, H, W) in [0, 1] with the colours of the styles, blended by weights and masks."""
    blended, total = np.zeros_like(content), np.zeros_like(content[:, :1])
    for exemplar in exemplars:
        share = np.float32(exemplar.weight) * (np.ones_like(total) if exemplar.mask is None else exemplar.mask)
        blended += share * match_colors(content, exemplar.images[0], exemplar.style_mask).clip(0, 1)
        total += share
    without_style = total <= 0
    matched: Pixels = np.where(without_style, content, blended / np.where(without_style, 1, total))
    return matched
