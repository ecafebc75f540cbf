"""What a person asked for, made ready for one scale: colours, regions, and a strength that always means the same."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from core.arrays import Array, Pixels
from core.config.transfer_config import TransferConfig
from core.image.color import match_colors_to
from core.image.resize import resize
from core.multiscale.initial_image import color_matched_image
from core.multiscale.parametrization import Parametrization
from core.multiscale.schedule import Scale
from core.optim.types import WeightedObjective, root_mean_square
from core.styles import StyleExemplar

GRADIENT_RATIO_AT_HALF = 40.0
"""Ratio of the gradients of style and content, at the photograph in the styles' colours, at a strength of one half.

What the default weights make of it, in the mean of twelve pairs of pictures at 192 pixels (22 to 70).
"""


def prepare(
    content: Pixels, styles: Sequence[StyleExemplar], scale: Scale, config: TransferConfig
) -> tuple[Parametrization, tuple[StyleExemplar, ...]]:
    """What is painted on at a scale, and the styles as they are compared with it."""
    sizes, photograph = iter(scale.style_sizes), resize(content, scale.size)
    sized = [
        replace(style.with_mask_size(scale.size), images=tuple(resize(pixels, next(sizes)) for pixels in style.images))
        for style in styles
    ]
    canvas = Parametrization.of(photograph, sized, luminance=config.preserve_color == "luminance")
    recolour = partial(match_colors_to, content=photograph) if config.preserve_color == "match" else canvas.style
    return canvas, tuple(replace(style, images=tuple(map(recolour, style.images))) for style in sized)


def normalise_strength(
    objective: WeightedObjective,
    canvas: Parametrization,
    exemplars: Sequence[StyleExemplar],
    to_array: Callable[[Pixels], Array],
    scale: Scale,
    config: TransferConfig,
) -> WeightedObjective:
    """The objective with its weights for this scale: those of `config`, or such that a strength means the same always.

    A strength balances content and style by their own gradients at the photograph in the colours of the styles, where
    neither is at its minimum: whatever the pictures, their size and the layers, the style then pulls `GRADIENT_RATIO_AT_HALF`
    times as hard as the content at a strength of 0.5, sixteen times harder or softer at 0.8 or 0.2; at 0 only the
    content pulls, at 1 only the style.
    """
    if config.strength is None:
        return objective.scaled(content=scale.content_weight_scale)
    here = to_array(color_matched_image(canvas.content, exemplars))
    content = root_mean_square(objective.scaled(style=0)(here).gradient)
    style = root_mean_square(objective.scaled(content=0)(here).gradient)
    pull = GRADIENT_RATIO_AT_HALF * content / style if content and style else 1.0
    content_share, style_share = 4 * (1 - config.strength) ** 2, 4 * config.strength**2
    return objective.scaled(content=content_share * scale.content_weight_scale, style=style_share * pull)
