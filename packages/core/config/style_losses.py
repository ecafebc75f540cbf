"""Register the style losses and the facts about them that are needed without importing PyTorch.

The configuration, help texts, the memory plan, records and exporters learn of a loss from its specification here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from core.errors import UsageError

DEFAULT_STYLE_LOSS = "gram"


def gram_layer_weight(channels: int, stride: int) -> float:
    """Return the default weight of a layer for Gram matrices.

    It falls with the fifth power of the channels. With a smaller power relu4_1 outweighs all other layers, and nothing
    opposes grain (docs/method.md).
    """
    return (560 / channels) ** 5


def distance_layer_weight(channels: int, stride: int) -> float:
    """Return the default weight of a layer for the Wasserstein losses."""
    return (640 / channels) ** 2


@dataclass(frozen=True, kw_only=True)
class ExportedTarget:
    """The target of a style loss in an exported objective, which takes it as an input.

    Attributes:
        meaning: What the target is, for the manifest.
        columns: Function that maps a number of channels C to the number of columns of the target (1, C, columns); None
            if the target is features (1, C, h, w).
        statistic: Function that computes the target from features with NumPy, as "module:function"; None if the loss
            has position targets.
        parts: Function that splits the target into parts, each with a factor of its own, as "module:function"; None if
            there is one part, with the factor 1.
        divisors: For each part, the name of the number d: its factor is 1 / d.
    """

    meaning: str
    columns: Callable[[int], int] | None = None
    statistic: str | None = None
    parts: str | None = None
    divisors: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class StyleLossSpec:
    """The specification of a style loss.

    Attributes:
        name: Value of --style-loss.
        implementation: Class that computes the loss, as "module:Class".
        help: What the loss compares, as a noun phrase for the help of --style-loss.
        tileable: Whether the loss can be evaluated tile by tile.
        activation_power: The power p, if the loss is multiplied by a^p when all activations are multiplied by a.
        layer_weight: Function that maps the number of channels of a layer, and its stride in pixels, to its default
            weight.
        layer_weight_help: The formula of `layer_weight` for the help of --style-weight.
        statistic_size: Function that maps a number of channels C to the number of float32 values in the statistic of
            a layer with C channels; None if the loss is not tileable.
        sync_free: Whether the loss is evaluated on CUDA without host synchronisation.
        position_targets: Whether the loss has a target for every position, which depends on the content image and on
            the image that a scale starts from.
        final_pass: Whether a run ends with a pass at the final size in which the position targets of each layer are
            found by that layer alone.
        stochastic: Whether the loss samples positions anew for every evaluation. Such a loss is not tileable and needs
            --optimizer adam.
        exported: The target in an exported objective; None if the loss cannot be exported.
    """

    name: str
    implementation: str
    help: str
    tileable: bool
    activation_power: int
    layer_weight: Callable[[int, int], float] = distance_layer_weight
    layer_weight_help: str = "(640 / C)^2"
    statistic_size: Callable[[int], int] | None = None
    sync_free: bool = False
    position_targets: bool = False
    final_pass: bool = False
    stochastic: bool = False
    exported: ExportedTarget | None = None

    def __post_init__(self) -> None:
        """Check that a tileable loss is not stochastic, and has a statistic of known size; and that the rest fits.

        Raises:
            UsageError: It is stochastic or has no `statistic_size`, or a loss without position targets has a final
                pass.
        """
        if self.final_pass and not self.position_targets:
            raise UsageError(
                f"style loss {self.name!r} has a final pass but no position targets: set final_pass to False"
            )
        if self.tileable and self.stochastic:
            raise UsageError(
                f"style loss {self.name!r} is tileable, but it samples positions of the image: set tileable to False"
            )
        if self.tileable and self.statistic_size is None:
            raise UsageError(f"style loss {self.name!r} is tileable but has no statistic_size: add a function of C")


STYLE_LOSSES: dict[str, StyleLossSpec] = {}
"""The registered style losses by name."""


def register_style_loss(spec: StyleLossSpec) -> None:
    """Add a style loss to `STYLE_LOSSES`; registering the same implementation again replaces its specification.

    Raises:
        UsageError: Another implementation has this name.
    """
    known = STYLE_LOSSES.get(spec.name)
    if known is not None and known.implementation != spec.implementation:
        raise UsageError(
            f"style loss {spec.name!r} is already implemented by {known.implementation}: choose another name for "
            f"{spec.implementation}"
        )
    STYLE_LOSSES[spec.name] = spec


def style_loss_spec(name: str) -> StyleLossSpec:
    """Return the specification of a registered style loss.

    Raises:
        UsageError: There is no such loss.
    """
    if name not in STYLE_LOSSES:
        raise UsageError(f"unknown style loss {name!r}: expected one of {', '.join(STYLE_LOSSES)}")
    return STYLE_LOSSES[name]


def style_loss_names() -> tuple[str, ...]:
    """Return the names of all registered style losses."""
    return tuple(STYLE_LOSSES)


def load_reference(reference: str) -> Any:
    """Import a class or a function given as "module:name"."""
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)


def style_loss_help(names: Sequence[str] | None = None) -> str:
    """Return the help of --style-loss, with one phrase for each of the losses, by default all that are registered."""
    return "Style loss: " + "; ".join(f"'{spec.name}' ({spec.help})" for spec in _specs(names)) + "."


def style_weight_help(names: Sequence[str] | None = None) -> str:
    """Return the help of --style-weight, with the defaults of the losses, by default all that are registered."""
    by_formula: dict[str, list[str]] = {}
    for spec in _specs(names):
        by_formula.setdefault(spec.layer_weight_help, []).append(spec.name)
    defaults = "; ".join(f"{formula} for {', '.join(losses)}" for formula, losses in by_formula.items())
    return f"Weight of the style loss: one for all layers, or one for each. By default {defaults} (C channels)."


def _specs(names: Sequence[str] | None) -> list[StyleLossSpec]:
    return [style_loss_spec(name) for name in (STYLE_LOSSES if names is None else names)]


register_style_loss(
    StyleLossSpec(
        name="gram",
        implementation="core.objective.gram:GramLoss",
        help="Gram matrices",
        tileable=True,
        activation_power=4,
        layer_weight=gram_layer_weight,
        layer_weight_help="(560 / C)^5",
        statistic_size=lambda channels: channels**2,
        sync_free=True,
        exported=ExportedTarget(
            meaning="Gram matrix of the style image: features @ features.T / (height * width)",
            columns=lambda channels: channels,
            statistic="core.backends.onnx_targets:gram",
        ),
    )
)
register_style_loss(
    StyleLossSpec(
        name="moments",
        implementation="core.objective.moments:MomentsLoss",
        help="means and covariances",
        tileable=True,
        activation_power=0,
        layer_weight=lambda channels, stride: 500 / stride**2,
        layer_weight_help="500 / stride^2",
        statistic_size=lambda channels: channels * (channels + 1),
        sync_free=True,
        exported=ExportedTarget(
            meaning="covariances of the features of the style image, and their means as the last column",
            columns=lambda channels: channels + 1,
            statistic="core.backends.onnx_targets:moments",
            parts="core.backends.target_parts:relative_moments",
            divisors=("mean square of the covariances", "mean variance"),
        ),
    )
)
register_style_loss(
    StyleLossSpec(
        name="wasserstein",
        implementation="core.objective.wasserstein:WassersteinLoss",
        help="Wasserstein distance of means and covariances",
        tileable=True,
        activation_power=2,
        statistic_size=lambda channels: channels * (channels + 1),
    )
)
register_style_loss(
    StyleLossSpec(
        name="sliced-wasserstein",
        implementation="core.objective.sliced_wasserstein:SlicedWassersteinLoss",
        help="distance of full distributions, slower",
        tileable=False,
        activation_power=2,
    )
)
register_style_loss(
    StyleLossSpec(
        name="nearest",
        implementation="core.objective.nearest:NearestLoss",
        help="nearest features of the style",
        tileable=True,
        activation_power=2,
        layer_weight=lambda channels, stride: 16,
        layer_weight_help="16",
        statistic_size=lambda channels: 1,
        position_targets=True,
        final_pass=True,
        exported=ExportedTarget(meaning="features of the most similar parts of the style image"),
    )
)
