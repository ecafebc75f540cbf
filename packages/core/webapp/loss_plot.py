"""The loss plot of the page as a Vega-Lite chart."""

from collections.abc import Mapping, Sequence
from typing import Any

from core.webapp.theme import PLOT_COLORS

MAX_STEPS = 400
"""Limit on the plotted steps; more are not distinguishable at the size of the plot."""


def loss_chart(losses: Sequence[Mapping[str, Any]]) -> tuple[dict[str, list[Any]], dict[str, Any]]:
    """Return the data and the Vega-Lite specification of a plot of the losses over the evaluations.

    The loss axis is logarithmic.
    """
    points = loss_points(losses)
    colors = {part: color for part, color in PLOT_COLORS.items() if part in points["part"]}
    x = {"field": "evaluations", "type": "quantitative", "title": "evaluations", "scale": {"nice": False}}
    y = {
        "field": "loss",
        "type": "quantitative",
        "title": "loss",
        "scale": {"type": "log"},
        "axis": {"tickCount": 4, "format": "~s"},
    }
    color = {
        "field": "part",
        "type": "nominal",
        "title": None,
        "scale": {"domain": list(colors), "range": list(colors.values())},
        "legend": {"orient": "top"},
    }
    return points, {"mark": {"type": "line"}, "encoding": {"x": x, "y": y, "color": color}}


def loss_points(losses: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return the columns of the plot: one row per plotted step and positive part of the loss.

    Steps are skipped evenly so that at most `MAX_STEPS` remain. The part "loss" is called "total".
    """
    steps = list(losses)  # a copy, because the thread of a running job appends to the list
    stride = -(-len(steps) // MAX_STEPS) or 1
    points = [
        (step["evaluations"], step[part], "total" if part == "loss" else part)
        for step in steps[::stride]
        for part in step.keys() - {"scale", "evaluations", "seconds"}
        if step[part] > 0
    ]
    columns = zip(*points, strict=True) if points else ([], [], [])
    return {name: list(column) for name, column in zip(("evaluations", "loss", "part"), columns, strict=True)}
