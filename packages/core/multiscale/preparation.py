"""Per-scale preparation: sizes, colour preservation, region masks, and normalised style strength."""

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

GRADIENT_RATIO_AT_HALF = 340.0
"""Ratio of the RMS gradients of style and content at strength 0.5, at the colour-matched content image.

Chosen by looking at results (see docs/quality.md).
"""


def prepare(
    content: Pixels, exemplars: Sequence[StyleExemplar], scale: Scale, config: TransferConfig
) -> tuple[Parametrization, tuple[StyleExemplar, ...]]:
    """Return the parametrization of a scale, and the styles with which the content is compared.

    Masks and images are resized for the scale, and recoloured as `config.preserve_color` requires.
    """
    sizes, content = iter(scale.style_sizes), resize(content, scale.size)
    sized = [
        replace(style.with_mask_size(scale.size), images=tuple(resize(pixels, next(sizes)) for pixels in style.images))
        for style in exemplars
    ]
    parametrization = Parametrization.of(
        content, sized, luminance_only=config.preserve_color == "luminance", padding=scale.padding
    )
    recolor = (
        partial(match_colors_to, content=content) if config.preserve_color == "match" else parametrization.recolor_style
    )
    return parametrization, tuple(replace(style, images=tuple(map(recolor, style.images))) for style in sized)


def normalize_strength(
    objective: WeightedObjective,
    parametrization: Parametrization,
    exemplars: Sequence[StyleExemplar],
    to_array: Callable[[Pixels], Array],
    scale: Scale,
    config: TransferConfig,
) -> WeightedObjective:
    """Return the objective with the weights of this scale: those of `config`, or those of its strength.

    A strength sets the ratio of the RMS gradients of style and content at the colour-matched content image, where
    neither loss is at its minimum. At strength 0.5 and the reference size the ratio is `GRADIENT_RATIO_AT_HALF` for all
    images and layers; it is 16 times as large at 0.8 and a sixteenth at 0.2. At other sizes it is divided by
    `scale.content_weight_scale`. At 0 only the content counts, at 1 only the style.
    """
    strength = config.normalized_strength
    if strength is None:
        return objective.scaled(content=scale.content_weight_scale)
    matched = to_array(parametrization.to_network_input(color_matched_image(parametrization.content, exemplars)))
    content_rms = root_mean_square(objective.scaled(style=0)(matched).gradient)
    style_rms = root_mean_square(objective.scaled(content=0)(matched).gradient)
    balance = GRADIENT_RATIO_AT_HALF * content_rms / style_rms if content_rms and style_rms else 1.0
    content_factor, style_factor = 4 * (1 - strength) ** 2, 4 * strength**2
    return objective.scaled(content=content_factor * scale.content_weight_scale, style=style_factor * balance)
