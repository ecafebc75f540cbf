"""Widgets for the options of `TransferConfig`, generated from the option table."""

from collections.abc import Mapping
from itertools import groupby
from typing import Any

import streamlit as st

from core.config.options import Option, options_of
from core.config.presets import EVALUATIONS_PER_EPOCH, PRESETS, preset_options
from core.config.transfer_config import TransferConfig
from core.network.architecture import layers
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
LABELS = {
    "iterations": "Evaluations",
    "tv_weight": "Total variation weight",
    "arch": "Architecture",
    "optimizer": "Optimiser",
    "init": "Initial image",
    "min_scale_size": "Minimum scale size",
    "max_memory": "Maximum memory",
}
"""Labels of options whose names do not read as labels; the others follow from the names."""
MAX_SAFE_INTEGER = 2**53 - 1
"""Largest integer up to which JavaScript represents all integers exactly."""


def choose_options() -> dict[str, Any]:
    """Show the option widgets; return the chosen values by the field names of `TransferConfig`."""
    table = options_of(TransferConfig)
    preset = st.selectbox(
        "Preset", [TOOLKIT_DEFAULTS, *PRESETS], help="Default options of another program, or of this toolkit."
    )
    values = {name: option.default for name, option in table.items()}
    values |= {} if preset == TOOLKIT_DEFAULTS else preset_options(preset)
    size, length = st.columns(2)
    with size:
        values["image_size"] = _widget(table["image_size"], values["image_size"], preset, maximum=MAX_OUTPUT_SIDE)
    with length:
        values["iterations"] = _widget(table["iterations"], values["iterations"], preset)
        st.caption(f"{values['iterations'] / EVALUATIONS_PER_EPOCH:g} epochs of {EVALUATIONS_PER_EPOCH} evaluations")
    strength = st.container()  # filled last, because the slider depends on a toggle further down
    preserve_color = table["preserve_color"]
    values["preserve_color"] = st.segmented_control(
        "Preserve the content colours", preserve_color.choices, default=values["preserve_color"], required=True,
        key=f"{preset} preserve_color", help=preserve_color.help,
    )  # fmt: skip
    with st.expander("Expert options"):
        use_weights = st.toggle(
            "Use the loss weights instead of the style strength",
            value=preset != TOOLKIT_DEFAULTS and values["strength"] is None,
            key=f"{preset} use weights",
            help="Take the content and style weights below as they are and ignore the style strength.",
        )
        values |= _expert_widgets(table, values, preset)
    with strength:
        percent = st.slider(
            "Style strength", 0, 100, _percent(values["strength"]), format="%d %%", key=f"{preset} strength",
            disabled=use_weights, help=table["strength"].help,
        )  # fmt: skip
    values["strength"] = None if use_weights else percent / 100
    return values


def _percent(strength: float | None) -> int:
    return round(100 * (DEFAULT_STRENGTH if strength is None else strength))


def _expert_widgets(table: Mapping[str, Option], values: Mapping[str, Any], preset: str) -> dict[str, Any]:
    """Show the remaining options in two columns under the headings of their groups; return the chosen values."""
    chosen = {}
    expert = [option for name, option in table.items() if name not in (*SERVER_FILE_OPTIONS, *MAIN_OPTIONS)]
    for group, members in groupby(expert, key=lambda option: option.group):
        st.markdown(f"**{group}**")
        for index, option in enumerate(members):
            if index % 2 == 0:
                columns = st.columns(2)  # one pair a row, so that a narrow window stacks the options in order
            with columns[index % 2]:
                chosen[option.name] = _widget(option, values[option.name], preset)
    return chosen


def _widget(option: Option, value: Any, preset: str, *, maximum: float = MAX_SAFE_INTEGER) -> Any:
    """Show the widget for an option's kind. Its key contains the preset, so that each preset starts at its values."""
    label = LABELS.get(option.name) or option.name.replace("_", " ").capitalize()
    shared: dict[str, Any] = {"key": f"{preset} {option.name}", "help": option.help}
    if choices := _choices(option):
        return st.selectbox(label, choices, index=choices.index(value), format_func=_choice_label, **shared)
    if option.name.endswith("_layers"):
        names = [layer.name for layer in layers("vgg19")]
        return tuple(st.multiselect(label, names, default=value, **shared))
    if option.kind in ("int", "float") and not option.multiple:
        return _number_input(label, option, value, maximum, shared)
    text = st.text_input(label, "" if value is None else option.format(value), **shared)
    return None if option.optional and not text else text


def _choices(option: Option) -> tuple[str | None, ...]:
    choices = CHOICES.get(option.name, option.choices)
    return (*choices, None) if choices and option.optional else choices


def _number_input(
    label: str, option: Option, value: float | None, maximum: float, shared: Mapping[str, Any]
) -> float | None:
    kind, step, number_format = (int, 1, "%d") if option.kind == "int" else (float, 0.01, "%g")
    low, high = kind(option.minimum), kind(min(option.maximum, maximum))
    return st.number_input(label, low, high, value=value, step=step, format=number_format, placeholder="none", **shared)


def _choice_label(choice: str | None) -> str:
    return "unspecified" if choice is None else choice
