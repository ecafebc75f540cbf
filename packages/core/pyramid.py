"""From coarse to fine: the sizes a picture is painted at, and how long at each. NumPy and Pillow only."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.config import TransferConfig
from core.errors import UsageError
from core.images import MIN_SIDE, Pixels, Size, fit_size, read_picture, resample, resize
from core.layers import truncated
from core.matching import match_bands

RUNTIME_MEMORY = 680 * 2**20
"""What PyTorch and the weights take by themselves, in bytes."""


@dataclass(frozen=True)
class Scale:
    """One size of the painting, that of the style beside it (both width, height), and its share of the run.

    `content_emphasis` multiplies the content weights here. A feature of a picture at half the size sees four
    times as much of the scene, so the content is held by a quarter of the features, each of which blurs what
    the finest scale is to show; the area ratio restores the balance. Without it the coarse scales trade small
    things away for style, and the fine ones do not bring them back.
    """

    size: Size
    style_size: Size
    evaluations: int
    content_emphasis: float = 1.0


def plan_scales(content: Size, style: Size, config: TransferConfig) -> tuple[Scale, ...]:
    """The scales of a run, coarse to fine, for pictures of these sizes.

    Every scale gets an equal share of the evaluations. Unless told how many, the run starts at the coarsest
    scale whose long side is at least `config.min_scale_size`: below, the layers that hold the content no longer
    see what is in it, and the style wins.
    """
    size = fit_size(content, config.image_size, config.image_size_side)
    style_size = fit_size(style, config.image_size, config.image_size_side)
    shrinkages = list(_shrinkages(size, style_size, config))[: config.iterations]
    share, rest = divmod(config.iterations, len(shrinkages))
    return tuple(
        Scale(_shrink(size, by), _shrink(style_size, by), share + (rest if by == 1 else 0), content_emphasis=by**2)
        for by in reversed(shrinkages)
    )


def _shrinkages(size: Size, style_size: Size, config: TransferConfig) -> Iterator[float]:
    """By how much to divide the sizes, from 1 up, one for each scale."""
    yield 1.0
    scale = 1
    while scale != config.scales:
        by = config.scale_factor**scale
        long_side, shortest = max(_shrink(size, by)), min(*_shrink(size, by), *_shrink(style_size, by))
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


def memory_needed(size: Size, config: TransferConfig) -> int:
    """About how many bytes painting at this size takes: features kept for the gradient, and the optimiser's memory.

    Every ReLU and pooling keeps its output (a maximum also where it was, in 8 bytes) until the gradient has passed.
    """
    pixels = math.prod(size)
    kept = largest = 0.0
    for layer in truncated(config.arch, (*config.content_layers, *config.style_layers)):
        values = layer.out_channels * pixels / layer.stride**2
        largest = max(largest, values)
        kept += {"conv": 0, "relu": 4, "pool": 12 if config.pooling == "max" else 4}[layer.kind] * values
    pictures = 3 * pixels * 4 * (2 * config.history + 10 if config.optimizer == "lbfgs" else 10)
    return int(kept + 3 * 4 * largest + pictures) + RUNTIME_MEMORY


def starting_picture(content: Pixels, style: Pixels, config: TransferConfig) -> Pixels:
    """What the run starts from: (1, 3, H, W) of the size of `content`, in [0, 1].

    `config.init` names it, or is the path of a picture, which is resized to fit. Noise is uniform, from
    `config.seed`.
    """
    if config.init == "content":
        return content
    if config.init == "matched":
        return match_bands(content, style)
    if config.init in ("noise", "blend"):
        noise = np.random.default_rng(config.seed).random(content.shape, dtype=np.float32)
        share = 1.0 if config.init == "noise" else config.blend
        return (1 - share) * content + share * noise
    if not Path(config.init).is_file():
        raise UsageError(
            f"--init is {config.init!r}, which is no file: expected content, matched, noise, blend, or a picture"
        )
    return resize(read_picture(config.init, name="--init").pixels, (content.shape[3], content.shape[2]))


def refine(coarse: Pixels, start: Pixels) -> Pixels:
    """The coarse painting at the size of `start`, with the details of `start` that it is too small to hold.

    Enlarging alone gives a blurred picture, whose style is further off than that of `start` ever was.
    """
    height, width = start.shape[2:]
    small = resample(start, (coarse.shape[3], coarse.shape[2]))
    enlarged: Pixels = resample(coarse - small, (width, height)) + start
    return enlarged.clip(0, 1)
