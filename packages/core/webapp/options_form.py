"""Widgets for the options of `TransferConfig`, generated from its fields."""

from collections.abc import Mapping
from dataclasses import Field, fields
from itertools import groupby
from types import NoneType
from typing import Any, get_args, get_origin

import streamlit as st

from core.config.presets import EVALUATIONS_PER_EPOCH, PRESETS, preset_options
from core.config.transfer_config import TransferConfig
from core.network.architecture import layers
from core.webapp.command_line import as_text
from core.webapp.request import MAX_OUTPUT_SIDE

TOOLKIT_DEFAULTS = "toolkit"
"""Name of the defaults of `TransferConfig` in the list of presets."""
DEFAULT_STRENGTH = 0.5

SERVER_FILE_OPTIONS = ("save_every", "extractor", "objective")
"""Options that the page omits because they write or read files on the server."""
MAIN_OPTIONS = ("image_size", "iterations", "strength", "preserve_color")
"""Options outside the expert section."""
CHOICES = {
    "weights": ("oxford", "torchvision", "torchvision-features"),
    "init": ("matched", "content", "noise", "blend"),
}
"""Values of options that would otherwise accept paths of files on the server."""
MAX_SAFE_INTEGER = 2**53 - 1
"""Largest integer that JavaScript represents exactly."""


def choose_options() -> dict[str, Any]:
    """Show the option widgets; return the chosen values by the field names of `TransferConfig`."""
    preset = st.selectbox(
        "Preset", [TOOLKIT_DEFAULTS, *PRESETS], help="Default options of another program, or of this toolkit."
    )
    options: dict[str, Any] = {option.name: option.default for option in fields(TransferConfig)}
    options |= {} if preset == TOOLKIT_DEFAULTS else preset_options(preset)
    size, length = st.columns(2)
    with size:
        options["image_size"] = _widget(_field("image_size"), options["image_size"], preset, maximum=MAX_OUTPUT_SIDE)
    with length:
        options["iterations"] = _widget(_field("iterations"), options["iterations"], preset, label="Evaluations")
        st.caption(f"{options['iterations'] / EVALUATIONS_PER_EPOCH:g} epochs of {EVALUATIONS_PER_EPOCH} evaluations")
    strength = st.container()  # filled last: the slider depends on a toggle below it
    preserve_color = _field("preserve_color")
    options["preserve_color"] = st.segmented_control(
        "Preserve the content colours", _choices(preserve_color.type), default=options["preserve_color"], required=True,
        key=f"{preset} preserve_color", help=preserve_color.metadata["help"],
    )  # fmt: skip
    with st.expander("Expert options"):
        use_weights = st.toggle(
            "Use the loss weights instead of the style strength",
            value=preset != TOOLKIT_DEFAULTS and options["strength"] is None,
            key=f"{preset} use weights",
            help="Take the content and style weights below as they are and ignore the style strength.",
        )
        options |= _expert_widgets(options, preset)
    with strength:
        percent = st.slider(
            "Style strength", 0, 100, _percent(options["strength"]), format="%d %%", key=f"{preset} strength",
            disabled=use_weights, help=_field("strength").metadata["help"],
        )  # fmt: skip
    options["strength"] = None if use_weights else percent / 100
    return options


def _percent(strength: float | None) -> int:
    return round(100 * (DEFAULT_STRENGTH if strength is None else strength))


def _expert_widgets(values: Mapping[str, Any], preset: str) -> dict[str, Any]:
    chosen = {}
    expert = [option for option in fields(TransferConfig) if option.name not in (*SERVER_FILE_OPTIONS, *MAIN_OPTIONS)]
    for group, members in groupby(expert, key=lambda option: option.metadata["group"]):
        st.markdown(f"**{group}**")
        columns = st.columns(2)
        for index, option in enumerate(members):
            with columns[index % 2]:
                chosen[option.name] = _widget(option, values[option.name], preset)
    return chosen


def _field(name: str) -> Field[Any]:
    return next(option for option in fields(TransferConfig) if option.name == name)


def _widget(option: Field[Any], value: Any, preset: str, *, label: str = "", maximum: float = MAX_SAFE_INTEGER) -> Any:
    """Show the widget for an option's type. Its key contains the preset, so that each preset starts at its values."""
    label = label or option.name.replace("_", " ").capitalize()
    shared = {"key": f"{preset} {option.name}", "help": option.metadata["help"]}
    if choices := CHOICES.get(option.name) or _choices(option.type):
        return st.selectbox(label, choices, index=choices.index(value), format_func=_choice_label, **shared)
    if option.type is bool:
        return st.checkbox(label, value, **shared)
    if option.name.endswith("_layers"):
        names = [layer.name for layer in layers("vgg19")]
        return tuple(st.multiselect(label, names, default=value, **shared))
    kind = next((number for number in (int, float) if option.type in (number, number | None)), None)
    if kind and not option.metadata["size"]:
        return _number_input(label, kind, value, option.metadata, maximum, shared)
    text = st.text_input(label, "" if value is None else as_text(value), **shared)
    return None if option.default is None and not text else text


def _choices(kind: Any) -> tuple[Any, ...]:
    """Return the values of a `Literal[...]` or `Literal[...] | None`, or nothing for other types."""
    if get_origin(kind) is tuple:
        return ()
    parts = get_args(kind) or (kind,)
    flat = [value for part in parts for value in get_args(part) or (part,)]
    if any(isinstance(value, type) and value is not NoneType for value in flat):
        return ()
    return tuple(None if value is NoneType else value for value in flat)


def _number_input(
    label: str, kind: type, value: float | None, bounds: Mapping[str, Any], maximum: float, shared: Mapping[str, Any]
) -> float | None:
    low, high = kind(bounds["least"]), kind(min(bounds["most"], maximum))
    step, text_format = (1, "%d") if kind is int else (0.01, "%g")
    return st.number_input(label, low, high, value=value, step=step, format=text_format, placeholder="none", **shared)


def _choice_label(choice: Any) -> str:
    return "unspecified" if choice is None else str(choice)
