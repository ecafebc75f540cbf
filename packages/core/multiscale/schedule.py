"""The coarse-to-fine schedule: the sizes at which an image is optimised, and the evaluations at each."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat

from core.arrays import Size
from core.config.style_losses import style_loss_spec
from core.config.transfer_config import TransferConfig
from core.errors import UsageError
from core.image.resize import fit_size
from core.network.architecture import MIN_SIDE


@dataclass(frozen=True)
class Scale:
    """One level of the pyramid.

    `content_weight_scale` multiplies the content weights. At half the size of the image a feature covers four times as
    much of the scene, so a quarter of the features represent the content, and each averages over more detail. The
    factor falls with the size to the power `TransferConfig.content_scaling`. With a small power the style removes
    objects at coarse scales, and fine scales do not restore them; a large one allows strong strokes at fine scales. The
    factor is 1 at `TransferConfig.reference_size`, so that images of all sizes pass through the same scales and get the
    same character.

    `tv_weight_scale` multiplies the weight of total variation, and falls to the power `TransferConfig.tv_scaling`. At a
    small size more of the detail is grain, and the other losses, which total variation opposes, are larger.

    The final pass of some style losses has a scale of its own, with the size of the last one.

    Attributes:
        size: Width and height of the image.
        style_sizes: Width and height of every style image.
        evaluations: Evaluations of the objective at this scale.
        content_weight_scale: Factor of the content weights.
        tv_weight_scale: Factor of the weight of total variation.
        padding: Pixels that the network reads beyond every edge of the image and of the style images.
        final_pass: Whether this is the final pass: see `core.config.style_losses.StyleLossSpec`.
    """

    size: Size
    style_sizes: tuple[Size, ...]
    evaluations: int
    content_weight_scale: float = 1.0
    tv_weight_scale: float = 1.0
    padding: int = 0
    final_pass: bool = False

    @property
    def style_size(self) -> Size:
        """Width and height of the style image that is the largest one with its margin."""
        return max(self.style_sizes, key=lambda size: math.prod(_enlarged(size, self.padding)))

    @property
    def network_sizes(self) -> tuple[Size, Size]:
        """Width and height of what the network reads: of the image, and of the largest style image."""
        return _enlarged(self.size, self.padding), _enlarged(self.style_size, self.padding)


def build_schedule(
    content: Size,
    styles: Sequence[Size],
    config: TransferConfig,
    style_names: Iterable[str] = repeat("a style image"),
    *,
    content_name: str = "content",
) -> tuple[Scale, ...]:
    """Return the scales of a run, coarse to fine, for a content image and style images of these sizes.

    Every scale gets an equal share of the evaluations, and so does the final pass. If `config.scales` is 0, the first
    scale is the coarsest one whose long side is at least `config.min_scale_size`: below it, the deep layers do not
    recognise the content, and the style replaces it. Errors name the images by `content_name` and the elements of
    `style_names`.

    Raises:
        UsageError: An image is smaller than the network can process.
    """
    size = fit_size(content, config.image_size, config.image_size_side, content_name)
    style_sizes = []
    for style, name in zip(styles, style_names, strict=False):
        fitted = fit_size(style, config.image_size, config.image_size_side, name)
        style_sizes.append(_divided(fitted, 1 / config.style_scale))
        if (shortest := min(style_sizes[-1])) < MIN_SIDE:
            raise UsageError(
                f"--style-scale {config.style_scale:g} reduces {name} to a side of {shortest} px, below the minimum of "
                f"{MIN_SIDE}: use a larger value"
            )
    has_final_pass = style_loss_spec(config.style_loss).final_pass and config.iterations > 1
    divisors = [*([1.0] if has_final_pass else []), *_divisors(size, style_sizes, config)][: config.iterations]
    share, remainder = divmod(config.iterations, len(divisors))
    relative_size = config.reference_size / max(size) if config.reference_size else 1.0
    scales = []
    for number, divisor in enumerate(reversed(divisors), start=1):
        is_last = number == len(divisors)
        reduction = divisor * relative_size
        scaled, scaled_styles = _divided(size, divisor), tuple(_divided(style, divisor) for style in style_sizes)
        scales.append(
            Scale(
                scaled,
                scaled_styles,
                share + (remainder if is_last else 0),
                content_weight_scale=reduction**config.content_scaling,
                tv_weight_scale=reduction**config.tv_scaling,
                padding=min(config.padding, min(map(min, (scaled, *scaled_styles))) - 1),
                final_pass=has_final_pass and is_last,
            )
        )
    return tuple(scales)


def fraction_done(schedule: Sequence[Scale], evaluations: int) -> float:
    """Return the fraction of the work of a run, in pixels times evaluations, after that many evaluations."""
    done = total = 0
    for scale in schedule:
        here = min(max(evaluations, 0), scale.evaluations)
        done += here * math.prod(scale.size)
        total += scale.evaluations * math.prod(scale.size)
        evaluations -= scale.evaluations
    return done / total


def _divisors(size: Size, style_sizes: Sequence[Size], config: TransferConfig) -> Iterator[float]:
    """Yield the divisor of the sizes for each scale, from 1 upwards."""
    yield 1.0
    scale = 1
    while scale != config.scales:
        divisor = config.scale_factor**scale
        long_side = max(_divided(size, divisor))
        shortest = min(min(_divided(other, divisor)) for other in (size, *style_sizes))
        if shortest < MIN_SIDE or (config.scales == 0 and long_side < config.min_scale_size):
            return
        yield divisor
        scale += 1


def _enlarged(size: Size, padding: int) -> Size:
    width, height = size
    return width + 2 * padding, height + 2 * padding


def _divided(size: Size, divisor: float) -> Size:
    width, height = size
    return round(width / divisor), round(height / divisor)
