"""style_weights.js computes what core.backends.target_parts computes."""

import numpy as np
import pytest

from core.backends.target_parts import factors, joined, parts_of
from core.objective.style_loss import load_style_loss
from export.web.settings import variance_floor_settings
from support.javascript import Modules
from support.objectives import noise


@pytest.mark.parametrize("contrast", [1.0, 1e-3, 0.0])
@pytest.mark.parametrize("style_loss", ["gram", "moments"])
def test_weights_equal_those_of_python(modules: Modules, style_loss: str, contrast: float) -> None:
    loss = load_style_loss(style_loss)
    layers = [2 + contrast * noise(1, channels, 5, 3) for channels in (4, 6)]
    parts = [parts_of(style_loss, loss.statistic(features).numpy()) for features in layers]
    targets = [{"data": joined(part).ravel().tolist(), "dims": joined(part).shape} for part in parts]
    found = modules.run(
        'import { styleWeights } from "./style_weights.js";',
        "return styleWeights([3, 5], data.targets, data.varianceFloor);",
        {"targets": targets, "varianceFloor": variance_floor_settings()},
    )
    expected = np.array([weight * factors(part) for weight, part in zip((3, 5), parts, strict=True)])
    assert found["shape"] == ([2] if style_loss == "gram" else [2, 2])
    np.testing.assert_allclose(found["values"], expected.ravel(), rtol=1e-6)
