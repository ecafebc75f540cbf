"""padding.js computes what core.multiscale.padding computes."""

import numpy as np
import pytest

from core.multiscale.padding import NETWORK_GREY, Margin
from support.javascript import Modules

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("width", [0, 3])
def test_a_margin_and_its_backward_equal_those_of_python(modules: Modules, width: int) -> None:
    image = RNG.random((1, 3, 4, 7), dtype=np.float32)
    gradient = RNG.random((1, 3, 4 + 2 * width, 7 + 2 * width), dtype=np.float32)
    padded, backward = modules.run(
        'import { Margin } from "./padding.js";',
        """
        const image = { width: 7, height: 4, pixels: Float32Array.from(data.image) };
        const margin = new Margin(image, data.width, data.grey);
        return [[...margin.add(image).pixels], [...margin.addBackward(Float32Array.from(data.gradient), image)]];
        """,
        {
            "image": image.ravel().tolist(),
            "gradient": gradient.ravel().tolist(),
            "width": width,
            "grey": NETWORK_GREY.ravel().tolist(),
        },
    )
    margin = Margin.around((7, 4), width)
    np.testing.assert_allclose(padded, margin.add(image).ravel(), rtol=1e-5)
    np.testing.assert_allclose(backward, margin.add_backward(gradient).ravel(), rtol=1e-5)
