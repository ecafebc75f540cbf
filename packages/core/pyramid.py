"""From coarse to fine: the sizes a picture is painted at, and how long at each. NumPy and Pillow only."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.config import TransferConfig
from core.errors import UsageError
from core.images import MIN_SIDE, Pixels, Size, fit_size, read_picture, resample, resize
from core.matching import match_bands
from core.styles import Manner


@dataclass(frozen=True)
class Scale:
    """One size of the painting, those of the styles' pictures beside it (width, height), and its share of the run.

    `content_emphasis` multiplies the content weights here. A feature of a picture at half the size sees four
    times as much of the scene, so the content is held by a quarter of the features, each of which blurs what
    the finest scale is to show; the area ratio restores the balance. Without it the coarse scales trade small
    things away for style, and the fine ones do not bring them back.
    """

    size: Size
    style_sizes: tuple[Size, ...]
    evaluations: int
    content_emphasis: float = 1.0

    @property
    def style_size(self) -> Size:
        """The largest of the styles' pictures."""
        return max(self.style_sizes, key=math.prod)


def plan_scales(content: Size, styles: Sequence[Size], config: TransferConfig) -> tuple[Scale, ...]:
    """The scales of a run, coarse to fine, for pictures of these sizes.

    Every scale gets an equal share of the evaluations. Unless told how many, the run starts at the coarsest
    scale whose long side is at least `config.min_scale_size`: below, the layers that hold the content no longer
    see what is in it, and the style wins.
    """
    size = fit_size(content, config.image_size, config.image_size_side)
    fitted = [fit_size(style, config.image_size, config.image_size_side) for style in styles]
    style_sizes = [_shrink(style, 1 / config.style_scale) for style in fitted]
    if (least := min(map(min, style_sizes))) < MIN_SIDE:
        raise UsageError(f"--style-scale {config.style_scale:g} makes a style {least} px small: use a larger one")
    shrinkages = list(_shrinkages(size, style_sizes, config))[: config.iterations]
    share, rest = divmod(config.iterations, len(shrinkages))
    return tuple(
        Scale(
            _shrink(size, by),
            tuple(_shrink(style, by) for style in style_sizes),
            share + (rest if by == 1 else 0),
            content_emphasis=by**2,
        )
        for by in reversed(shrinkages)
    )


def _shrinkages(size: Size, style_sizes: Sequence[Size], config: TransferConfig) -> Iterator[float]:
    """By how much to divide the sizes, from 1 up, one for each scale."""
    yield 1.0
    scale = 1
    while scale != config.scales:
        by = config.scale_factor**scale
        long_side = max(_shrink(size, by))
        shortest = min(min(_shrink(other, by)) for other in (size, *style_sizes))
        if shortest < MIN_SIDE or (config.scales == 0 and long_side < config.min_scale_size):
            return
        yield by
        scale += 1


def _shrink(size: Size, by: float) -> Size:
    width, height = size
    return round(width / by), round(height / by)


def work_done(scales: Sequence[Scale], evaluations: int) -> float:
    """The share of the run's work, pixels times evaluations, that so many evaluations are."""
    done = total = 0
    for scale in scales:
        here = min(max(evaluations, 0), scale.evaluations)
        done += here * math.prod(scale.size)
        total += scale.evaluations * math.prod(scale.size)
        evaluations -= scale.evaluations
    return done / total


def starting_picture(content: Pixels, manners: Sequence[Manner], config: TransferConfig) -> Pixels:
    """What the run starts from: (1, 3, H, W) of the size of `content`, in [0, 1].

    `config.init` names it, or is the path of a picture, which is resized to fit. Noise is uniform, from
    `config.seed`.
    """
    if config.init == "content":
        return content
    if config.init == "matched":
        # The content hardly minds the colours, so a start in those of the style would decide them at any strength.
        matched = matched_picture(content, manners)
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
    return resize(read_picture(config.init, name="--init").pixels, (content.shape[3], content.shape[2]))


def matched_picture(content: Pixels, manners: Sequence[Manner]) -> Pixels:
    """`content` in the colours and contrasts of the styles, mixed as they are wanted at each pixel."""
    mixed, total = np.zeros_like(content), np.zeros_like(content[:, :1])
    for manner in manners:
        share = np.float32(manner.weight) * (np.ones_like(total) if manner.mask is None else manner.mask)
        mixed += share * match_bands(content, manner.pictures[0])
        total += share
    nowhere = total <= 0
    matched: Pixels = np.where(nowhere, content, mixed / np.where(nowhere, 1, total))
    return matched


def refine(coarse: Pixels, start: Pixels) -> Pixels:
    """The coarse painting at the size of `start`, with the details of `start` that it is too small to hold.

    Enlarging alone gives a blurred picture, whose style is further off than that of `start` ever was.
    """
    height, width = start.shape[2:]
    small = resample(start, (coarse.shape[3], coarse.shape[2]))
    enlarged: Pixels = resample(coarse - small, (width, height)) + start
    return enlarged.clip(0, 1)
