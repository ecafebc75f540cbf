"""From coarse to fine: the sizes a picture is painted at, and how long at each. NumPy and Pillow only."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from core.arrays import Size
from core.config.transfer_config import TransferConfig
from core.errors import UsageError
from core.image.resize import fit_size
from core.network.architecture import MIN_SIDE


@dataclass(frozen=True)
class Scale:
    """One size of the painting, those of the styles' pictures beside it (width, height), and its share of the run.

    `content_weight_scale` multiplies the content weights here. A feature of a picture at half the size sees four
    times as much of the scene, so the content is held by a quarter of the features, each of which blurs what
    the finest scale is to show; the area ratio restores the balance. Without it the coarse scales trade small
    things away for style, and the fine ones do not bring them back.
    """

    size: Size
    style_sizes: tuple[Size, ...]
    evaluations: int
    content_weight_scale: float = 1.0

    @property
    def style_size(self) -> Size:
        """The largest of the styles' pictures."""
        return max(self.style_sizes, key=math.prod)


def build_schedule(content: Size, styles: Sequence[Size], config: TransferConfig) -> tuple[Scale, ...]:
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
            content_weight_scale=by**2,
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


def fraction_done(scales: Sequence[Scale], evaluations: int) -> float:
    """The share of the run's work, pixels times evaluations, that so many evaluations are."""
    done = total = 0
    for scale in scales:
        here = min(max(evaluations, 0), scale.evaluations)
        done += here * math.prod(scale.size)
        total += scale.evaluations * math.prod(scale.size)
        evaluations -= scale.evaluations
    return done / total
