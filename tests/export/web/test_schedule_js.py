"""schedule.js computes the scales of core.multiscale.schedule; progress.js counts their evaluations."""

from itertools import product

import pytest

from core.config.transfer_config import TransferConfig
from core.multiscale.schedule import build_schedule
from export.web.settings import schedule_settings
from support.javascript import Modules


def test_build_schedule_returns_the_scales_of_python(modules: Modules) -> None:
    contents = [(512, 341), (385, 385), (1024, 771), (190, 200), (512, 40)]
    styles = [(512, 512), (333, 770), (70, 50)]
    cases = list(product(contents, styles, [100, 7, 2, 1]))
    actual = modules.run(
        'import { buildSchedule } from "./schedule.js";',
        """
        const size = ([width, height]) => ({ width, height });
        return data.cases.map(([content, style, evaluations]) =>
          buildSchedule(size(content), size(style), evaluations, data.constants));
        """,
        {"cases": cases, "constants": schedule_settings(TransferConfig())},
    )
    for scales, (content, style, evaluations) in zip(actual, cases, strict=True):
        expected = build_schedule(content, [style], TransferConfig(image_size=1024, iterations=evaluations))
        assert scales == [
            {
                "size": {"width": scale.size[0], "height": scale.size[1]},
                "styleSize": {"width": scale.style_size[0], "height": scale.style_size[1]},
                "evaluations": scale.evaluations,
                "contentWeightScale": pytest.approx(scale.content_weight_scale),
                "tvWeightScale": pytest.approx(scale.tv_weight_scale),
                "padding": scale.padding,
            }
            for scale in expected
        ]
    assert {len(scales) for scales in actual} == {1, 2, 3, 4}


def test_progress_weights_evaluations_by_pixels(modules: Modules) -> None:
    script = """
    const scales = [
      { size: { width: 10, height: 10 }, evaluations: 4 },
      { size: { width: 20, height: 20 }, evaluations: 2 },
    ];
    const progress = new ProgressEstimate(scales);
    const readings = [progress.count(scales[0]), progress.count(scales[0])];
    progress.finish(scales[0]); // two evaluations were not needed
    for (let i = 0; i < 4; i++) readings.push(progress.count(scales[1]));
    return readings;
    """
    readings = modules.run('import { ProgressEstimate } from "./progress.js";', script)
    assert [reading["evaluations"] for reading in readings] == [1, 2, 3, 4, 5, 6]
    shares = [100 / 1200, 200 / 1200, 600 / 1800, 1000 / 1800, 1400 / 1800, 1]
    assert [reading["share"] for reading in readings] == shares
    assert readings[0]["secondsLeft"] is None
    assert readings[1]["secondsLeft"] > 0
    assert readings[5]["secondsLeft"] == 0
