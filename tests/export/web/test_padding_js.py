"""padding.js computes what core.multiscale.padding computes."""

import numpy as np
import pytest

from core.multiscale.padding import reflect, reflect_backward
from support.javascript import Modules

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("margin", [0, 3])
def test_reflection_and_its_backward_equal_those_of_python(modules: Modules, margin: int) -> None:
    image = RNG.random((1, 3, 4, 7), dtype=np.float32)
    gradient = RNG.random((1, 3, 4 + 2 * margin, 7 + 2 * margin), dtype=np.float32)
    reflected, backward = modules.run(
        'import { reflect, reflectBackward } from "./padding.js";',
        """
        const image = { width: 7, height: 4, pixels: Float32Array.from(data.image) };
        const gradient = reflectBackward(Float32Array.from(data.gradient), image, data.margin);
        return [[...reflect(image, data.margin).pixels], [...gradient]];
        """,
        {"image": image.ravel().tolist(), "gradient": gradient.ravel().tolist(), "margin": margin},
    )
    np.testing.assert_array_equal(reflected, reflect(image, margin).ravel())
    np.testing.assert_allclose(backward, reflect_backward(gradient, margin).ravel(), rtol=1e-6)
