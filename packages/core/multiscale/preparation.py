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

GRADIENT_RATIO_AT_HALF = 130.0
"""Ratio of the RMS gradients of style and content at which strength 0.5 leaves the style weights as they are.

Chosen by looking at results (see docs/notes/quality.md).
"""


def prepare(
    content: Pixels, exemplars: Sequence[StyleExemplar], scale: Scale, config: TransferConfig
) -> tuple[Parametrization, tuple[StyleExemplar, ...]]:
    """Return the parametrization of a scale, and the styles with which the content is compared.

    Masks and images are resized for the scale, and recoloured as `config.preserve_color` requires.
    """
    sizes, content = iter(scale.style_sizes), resize(content, scale.size)
    sized = [style.resized(scale.size, [next(sizes) for _ in style.images]) for style in exemplars]
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

    A strength normalises the ratio r of the RMS gradients of style and content at the `comparison_image`: at 0.5 the
    weights of style and total variation are multiplied by (`GRADIENT_RATIO_AT_HALF` / r)^½. Without this factor styles
    of large gradients replace the scene. Its square, which would give all images the same ratio, makes pale styles too
    strong. The ratio of the weights is 16 times as large at 0.8 and a sixteenth at 0.2. At 0 only the content counts,
    at 1 only the style. Total variation removes the grain that both losses leave, and follows the larger factor.

    The weights of content and total variation are also multiplied by the factors of the scale.
    """
    strength = config.normalized_strength
    if strength is None:
        return objective.scaled(content=scale.content_weight_scale, tv=scale.tv_weight_scale)
    image = to_array(parametrization.to_network_input(comparison_image(parametrization.content, exemplars)))
    content_rms = root_mean_square(objective.scaled(style=0, tv=0)(image).gradient)
    style_rms = root_mean_square(objective.scaled(content=0)(image).gradient)
    balance = (GRADIENT_RATIO_AT_HALF * content_rms / style_rms) ** 0.5 if content_rms and style_rms else 1.0
    content_factor, style_factor = 4 * (1 - strength) ** 2, 4 * strength**2
    tv_factor = max(content_factor, style_factor) if strength else 0.0
    return objective.scaled(
        content=content_factor * scale.content_weight_scale,
        style=style_factor * balance,
        tv=tv_factor * balance * scale.tv_weight_scale,
    )


def comparison_image(content: Pixels, exemplars: Sequence[StyleExemplar]) -> Pixels:
    """Return the image (1, 3, H, W) at which the gradients of content and style are compared.

    It is the content image with the colours of the styles at half its contrast. With the full contrast it would equal
    the content image where the colours agree, and the gradient of the content would vanish.
    """
    matched = color_matched_image(content, exemplars)
    mean = matched.mean((2, 3), keepdims=True)
    halved: Pixels = mean + (matched - mean) / 2
    return halved
