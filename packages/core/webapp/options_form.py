"""Widgets for the options of `TransferConfig`, made from its fields: an option that is new there appears here."""

from collections.abc import Mapping
from itertools import groupby
from typing import Any

import streamlit as st

from core.config.options import Option, options_of
from core.config.presets import EVALUATIONS_PER_EPOCH, PRESETS, preset_options
from core.config.transfer_config import TransferConfig
from core.network.architecture import layers
from core.webapp.command_line import as_text

LARGEST_SIDE = 4096
"""Bound on the size that a visitor may ask for, in pixels."""
OWN_DEFAULTS = "toolkit"
"""The name under which the page offers the defaults of `TransferConfig` beside the presets."""
MIDDLE_STRENGTH = 0.5

NOT_HERE = ("save_every", "extractor", "objective")
"""Options that write or name files of the machine that serves the page."""
ON_THE_FORM = ("image_size", "iterations", "strength", "preserve_color")
NAMED_CHOICES = {
    "weights": ("oxford", "torchvision", "torchvision-features"),
    "init": ("matched", "content", "noise", "blend"),
}
"""Options that otherwise could name such files too."""
LARGEST_WHOLE = 2**53 - 1
"""What a browser's numbers hold."""


def choose_options() -> dict[str, Any]:
    """The form of options; what is chosen there, by the names of `TransferConfig`."""
    preset = st.selectbox(
        "Preset", [OWN_DEFAULTS, *PRESETS], help="The defaults of well-known programs, or of this one."
    )
    ours = preset == OWN_DEFAULTS
    options: dict[str, Any] = {name: option.default for name, option in options_of(TransferConfig).items()}
    options |= {} if ours else preset_options(preset)
    size, length = st.columns(2)
    with size:
        options["image_size"] = _widget(_field("image_size"), options["image_size"], preset, most=LARGEST_SIDE)
    with length:
        options["iterations"] = _widget(_field("iterations"), options["iterations"], preset, label="Evaluations")
        st.caption(f"{options['iterations'] / EVALUATIONS_PER_EPOCH:g} epochs of {EVALUATIONS_PER_EPOCH}")
    strength = st.container()
    colours = _field("preserve_color")
    options["preserve_color"] = st.segmented_control(
        "Keep the photograph's colours", colours.choices, default=options["preserve_color"], required=True,
        key=f"{preset} preserve_color", help=colours.help,
    )  # fmt: skip
    with st.expander("Expert options"):
        by_weights = st.toggle(
            "Weights in place of the strength",
            value=not ours and options["strength"] is None,
            key=f"{preset} by weights",
            help="Paint with the content's and the style's weights as they stand below.",
        )
        options |= _expert_widgets(options, preset)
    with strength:
        percent = st.slider(
            "Strength of the style", 0, 100, _percent(options["strength"]), format="%d %%", key=f"{preset} strength",
            disabled=by_weights, help=_field("strength").help,
        )  # fmt: skip
    options["strength"] = None if by_weights else percent / 100
    return options


def _percent(strength: float | None) -> int:
    return round(100 * (MIDDLE_STRENGTH if strength is None else strength))


def _expert_widgets(defaults: Mapping[str, Any], preset: str) -> dict[str, Any]:
    chosen = {}
    offered = [option for option in options_of(TransferConfig).values() if option.name not in (*NOT_HERE, *ON_THE_FORM)]
    for group, members in groupby(offered, key=lambda option: option.group):
        st.markdown(f"**{group}**")
        columns = st.columns(2)
        for place, option in enumerate(members):
            with columns[place % 2]:
                chosen[option.name] = _widget(option, defaults[option.name], preset)
    return chosen


def _field(name: str) -> Option:
    return options_of(TransferConfig)[name]


def _widget(option: Option, value: Any, preset: str, *, label: str = "", most: float = LARGEST_WHOLE) -> Any:
    """The widget that suits the type of the option. A preset has widgets of its own, which start at its values."""
    label = label or option.name.replace("_", " ").capitalize()
    shared = {"key": f"{preset} {option.name}", "help": option.help}
    if choices := NAMED_CHOICES.get(option.name) or _choices(option):
        return st.selectbox(label, choices, index=choices.index(value), format_func=_told, **shared)
    if option.name.endswith("_layers"):
        names = [layer.name for layer in layers("vgg19")]
        return tuple(st.multiselect(label, names, default=value, **shared))
    if option.kind in ("int", "float") and not option.multiple:
        return _number(label, option, value, most, shared)
    text = st.text_input(label, "" if value is None else as_text(value), **shared)
    return None if option.default is None and not text else text


def _choices(option: Option) -> tuple[str | None, ...]:
    return (*option.choices, None) if option.choices and option.optional else option.choices


def _number(label: str, option: Option, value: float | None, most: float, shared: Mapping[str, Any]) -> float | None:
    kind = {"int": int, "float": float}[option.kind]
    least, most = kind(option.minimum), kind(min(option.maximum, most))
    step = 1 if kind is int else 0.01
    return st.number_input(
        label, least, most, value=value, step=step, format="%d" if kind is int else "%g", placeholder="none", **shared
    )


def _told(choice: Any) -> str:
    return "not said" if choice is None else str(choice)
