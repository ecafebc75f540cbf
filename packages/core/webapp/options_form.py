"""Widgets for the options of `TransferConfig`, generated from the option table."""

from collections.abc import Mapping
from itertools import groupby
from typing import Any

import streamlit as st

from core.config.options import Option, options_of
from core.config.presets import (
    EFFORT_HELP,
    EFFORTS,
    EVALUATIONS_PER_EPOCH,
    PRESETS,
    effort_options,
    preset_options,
)
from core.config.transfer_config import DEFAULT_STRENGTH, TransferConfig
from core.errors import UsageError
from core.network.architecture import layers
from core.webapp.durations import DurationEstimate, duration_text
from core.webapp.limits import page_limits

TOOLKIT_DEFAULTS = "toolkit"
"""Name of the defaults of `TransferConfig` in the list of presets."""
DEFAULT_EFFORT = "standard"
EFFORT_OPTIONS = frozenset(name for options in EFFORTS.values() for name in options)
"""Options that some effort changes."""
POLL_INTERVAL = 1.0
"""Seconds between two looks for the speed of this machine while it is measured."""

SERVER_OPTIONS = ("save_every", "extractor", "objective", "painter", "runtime", "max_memory")
"""Options that the page omits because they use files or the memory of the server."""
MAIN_OPTIONS = ("image_size", "strength", "preserve_color")
"""Options outside the expert section."""
LABELS = {
    "iterations": "Evaluations",
    "tv_weight": "Total variation weight",
    "tv_scaling": "Total variation scaling",
    "arch": "Architecture",
    "optimizer": "Optimiser",
    "init": "Initial image",
    "min_scale_size": "Minimum scale size",
}
"""Labels of options whose names do not read as labels; the others follow from the names."""
MAX_SAFE_INTEGER = 2**53 - 1
"""Largest integer up to which JavaScript represents all integers exactly."""


def choose_options(estimate: DurationEstimate | None = None) -> dict[str, Any]:
    """Show the option widgets; return the chosen values by the field names of `TransferConfig`.

    Args:
        estimate: Estimates how long transfers of the chosen images take; None if none are chosen.
    """
    table = options_of(TransferConfig)
    size, right = st.columns(2)
    with right:
        preset = st.selectbox(
            "Preset", [TOOLKIT_DEFAULTS, *PRESETS], help="Default options of another program, or of this toolkit."
        )
    effort = st.segmented_control(
        "Effort", list(EFFORTS), default=DEFAULT_EFFORT, required=True, format_func=str.capitalize, key="effort",
        help=EFFORT_HELP,
    )  # fmt: skip
    durations = st.container()  # filled last, because the durations depend on all options
    start = {name: option.default for name, option in table.items()}
    start |= {} if preset == TOOLKIT_DEFAULTS else preset_options(preset)
    values = start | effort_options(effort)
    keys = {name: f"{preset} {effort} {name}" if name in EFFORT_OPTIONS else f"{preset} {name}" for name in table}
    with size:
        values["image_size"] = _widget(table["image_size"], values, keys, maximum=page_limits().image_size)
    strength = st.container()  # filled after a toggle further down
    preserve_color = table["preserve_color"]
    values["preserve_color"] = st.segmented_control(
        "Preserve the content colours", preserve_color.choices, default=values["preserve_color"], required=True,
        key=keys["preserve_color"], help=preserve_color.help,
    )  # fmt: skip
    with st.expander("Expert options"):
        use_weights = st.toggle(
            "Use the loss weights instead of the style strength",
            value=preset != TOOLKIT_DEFAULTS and values["strength"] is None,
            key=f"{preset} use weights",
            help="Take the content and style weights below as they are and ignore the style strength.",
        )
        values |= _expert_widgets(table, values, keys)
    with strength:
        percent = st.slider(
            "Style strength", 0, 100, _percent(values["strength"]), format="%d %%", key=keys["strength"],
            disabled=use_weights, help=table["strength"].help,
        )  # fmt: skip
    values["strength"] = None if use_weights else percent / 100
    if use_weights and not values["content_weight"]:
        values["content_weight"] = 1.0  # without any weight the strength would apply
    if estimate:
        show = st.fragment(_show_durations, run_every=POLL_INTERVAL) if estimate.speed.measuring else _show_durations
        with durations:
            show(estimate, values | {name: start[name] for name in EFFORT_OPTIONS})
    return values


def _show_durations(estimate: DurationEstimate, values: Mapping[str, Any]) -> None:
    """Show about how long a transfer takes with each effort, where that is known.

    Args:
        estimate: Estimates how long transfers of the chosen images take.
        values: The chosen options; those that an effort changes are left out.
    """
    try:
        configs = {name: TransferConfig.from_options({**values, **effort_options(name)}) for name in EFFORTS}
        seconds = {name: estimate.seconds(config) for name, config in configs.items()}
    except UsageError:
        return  # the start button reports the error
    texts = [f"{name} {duration_text(one)}" for name, one in seconds.items() if one is not None]
    if texts:
        st.caption(f"On this machine: {', '.join(texts)}")


def _percent(strength: float | None) -> int:
    return round(100 * (DEFAULT_STRENGTH if strength is None else strength))


def _expert_widgets(table: Mapping[str, Option], values: Mapping[str, Any], keys: Mapping[str, str]) -> dict[str, Any]:
    """Show the remaining options in two columns under the headings of their groups; return the chosen values."""
    chosen = {}
    expert = [option for name, option in table.items() if name not in (*SERVER_OPTIONS, *MAIN_OPTIONS)]
    for group, members in groupby(expert, key=lambda option: option.group):
        st.markdown(f"**{group}**")
        for index, option in enumerate(members):
            if index % 2 == 0:
                columns = st.columns(2)  # one pair a row, so that a narrow window stacks the options in order
            with columns[index % 2]:
                chosen[option.name] = _widget(option, values, keys)
                if option.name == "iterations":
                    epochs = chosen[option.name] / EVALUATIONS_PER_EPOCH
                    st.caption(f"{epochs:g} epochs of {EVALUATIONS_PER_EPOCH} evaluations")
    return chosen


def _widget(
    option: Option, values: Mapping[str, Any], keys: Mapping[str, str], *, maximum: float = MAX_SAFE_INTEGER
) -> Any:
    """Show the widget for an option's kind, and return its value.

    Args:
        option: The option.
        values: The values that the widgets start at.
        keys: Their keys. They contain the preset and the effort that set a value, so that each starts at its own.
        maximum: Upper bound of a number.
    """
    label = LABELS.get(option.name) or option.name.replace("_", " ").capitalize()
    value = values[option.name]
    shared: dict[str, Any] = {"key": keys[option.name], "help": option.help}
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
    choices = option.choices or option.names  # the page accepts no paths of files on the server
    return (*choices, None) if choices and option.optional else choices


def _number_input(
    label: str, option: Option, value: float | None, maximum: float, shared: Mapping[str, Any]
) -> float | None:
    kind, step, number_format = (int, 1, "%d") if option.kind == "int" else (float, 0.01, "%g")
    low, high = kind(option.minimum), kind(min(option.maximum, maximum))
    shared = {"step": step, "format": number_format, "placeholder": "default", **shared}
    return st.number_input(label, low, high, value=value, **shared)


def _choice_label(choice: str | None) -> str:
    return "unspecified" if choice is None else choice
