"""The schedule in a graph against `core.multiscale.schedule`."""

from typing import Any

import numpy as np
import pytest

from core.config.transfer_config import TransferConfig
from core.multiscale.schedule import build_schedule
from export.graph.values import Value
from export.painter.schedule import GraphSchedule
from support.graphs import computed

NAMES = (
    *("height", "width", "style_height", "style_width"),
    *("padding", "last_evaluation", "content_weight_scale", "tv_weight_scale"),
)


def scale_in_graph(
    content: tuple[int, int], style: tuple[int, int], index: int, config: TransferConfig
) -> tuple[int, dict[str, Any]]:
    """Return the number of scales, and the attributes of one."""

    def build(sides: Value, index: Value, image_size: Value, evaluations: Value) -> dict[str, Value]:
        width, height, style_width, style_height = (sides.take(number) for number in range(4))
        schedule = GraphSchedule.build((height, width), (style_height, style_width), image_size, evaluations, config)
        scale = schedule.scale(index)
        return {"count": schedule.count, **{name: getattr(scale, name) for name in NAMES}}

    sides = np.array([*content, *style])
    found = computed(build, sides, np.int64(index), np.int64(config.image_size), np.int64(config.iterations))
    return int(found.pop("count")), found


@pytest.mark.parametrize(
    ("content", "style", "options"),
    [
        ((640, 427), (800, 600), {}),
        ((427, 641), (300, 333), {"image_size": 1024}),
        ((3000, 2001), (517, 700), {"image_size": 700, "scale_factor": 1.5, "padding": 0}),
        ((512, 100), (600, 600), {"min_scale_size": 40}),
        ((500, 400), (400, 500), {"scales": 2, "image_size_side": "short", "image_size": 300}),
        ((500, 400), (90, 90), {"scales": 9, "style_scale": 0.7}),
        ((500, 400), (400, 500), {"iterations": 2, "reference_size": 0}),
        ((64, 48), (32, 32), {"content_scaling": 0.0, "tv_scaling": 2.0}),
    ],
)
def test_schedule_equals_that_of_a_run(
    content: tuple[int, int], style: tuple[int, int], options: dict[str, Any]
) -> None:
    config = TransferConfig(**options)
    expected = build_schedule(content, [style], config)
    evaluations = 0
    for index, scale in enumerate(expected):
        evaluations += scale.evaluations
        count, found = scale_in_graph(content, style, index, config)
        assert count == len(expected)
        assert (found["width"], found["height"]) == scale.size
        assert (found["style_width"], found["style_height"]) == scale.style_size
        assert (found["padding"], found["last_evaluation"]) == (scale.padding, evaluations)
        for name in ("content_weight_scale", "tv_weight_scale"):
            assert found[name] == pytest.approx(getattr(scale, name), rel=1e-5)
