"""The data and the specification of the loss plot."""

import json

import pytest

from core.webapp.loss_plot import MAX_STEPS, loss_chart, loss_points
from core.webapp.theme import PLOT_COLORS

STEPS = [
    {"scale": 0, "evaluations": 1, "loss": 3.0, "content": 0.0, "style": 3.0, "seconds": 0.1},
    {"scale": 0, "evaluations": 2, "loss": 2.0, "content": 0.5, "style": 1.5, "seconds": 0.2},
]


def test_loss_points_has_one_row_per_step_and_positive_part() -> None:
    points = loss_points(STEPS)
    rows = {(e, part): loss for e, loss, part in zip(*points.values(), strict=True)}
    assert list(points) == ["evaluations", "loss", "part"]
    assert rows == {
        (1, "total"): 3.0, (1, "style"): 3.0, (2, "total"): 2.0, (2, "content"): 0.5, (2, "style"): 1.5,
    }  # fmt: skip


@pytest.mark.parametrize("count", [0, 1, MAX_STEPS, MAX_STEPS + 1, 10 * MAX_STEPS - 1])
def test_loss_points_limits_the_number_of_steps(count: int) -> None:
    points = loss_points([{"evaluations": number, "loss": 1.0} for number in range(count)])
    assert len(points["loss"]) <= MAX_STEPS
    assert points["evaluations"][:1] == [0][:count]


def test_loss_chart_colors_the_plotted_parts() -> None:
    points, spec = loss_chart(STEPS)
    scale = spec["encoding"]["color"]["scale"]
    assert dict(zip(scale["domain"], scale["range"], strict=True)) == {
        part: PLOT_COLORS[part] for part in ("total", "style", "content")
    }
    assert points == loss_points(STEPS)
    json.dumps(spec)
