"""color.js and resize.js compute the images of core.image."""

from typing import Any

import numpy as np
import pytest

from core.image.color import match_colors
from core.image.resize import resample, resize
from core.multiscale.preparation import comparison_image
from core.styles import StyleExemplar
from export.web.settings import color_matching_settings
from support.javascript import Modules

REVIVE = "const revive = (image) => ({ ...image, pixels: Float32Array.from(image.pixels) });"


def random_image(seed: int, width: int, height: int) -> np.ndarray:
    """Correlated channels with structure at several scales, (1, 3, height, width) in [0, 1]."""
    random = np.random.default_rng(seed)
    coarse = resample(random.random((1, 3, 5, 4), dtype=np.float32), (width, height))
    mixing = random.random((3, 3))
    image = 0.7 * coarse + 0.3 * random.random((1, 3, height, width))
    return (np.einsum("ij,njhw->nihw", mixing, image) / mixing.sum(1).max()).clip(0, 1).astype(np.float32)


def as_json(pixels: np.ndarray) -> dict[str, Any]:
    return {"height": pixels.shape[2], "width": pixels.shape[3], "pixels": pixels.ravel().tolist()}


@pytest.mark.parametrize("content_size", [(49, 34), (64, 70)])
def test_match_colors_returns_the_image_of_python(modules: Modules, content_size: tuple[int, int]) -> None:
    content, style = random_image(0, *content_size), random_image(1, 40, 45)
    actual = modules.run(
        'import { matchColors } from "./color.js";',
        f"{REVIVE} return [...matchColors(revive(data.content), revive(data.style), data.constants).pixels];",
        {"content": as_json(content), "style": as_json(style), "constants": color_matching_settings()},
    )
    assert np.allclose(actual, match_colors(content, style).clip(0, 1).ravel(), atol=1e-5)


def test_the_comparison_image_is_that_of_python(modules: Modules) -> None:
    content, style = random_image(0, 49, 34), random_image(1, 40, 45)
    actual = modules.run(
        'import { halveContrast, matchColors } from "./color.js";',
        f"""{REVIVE}
        const matched = matchColors(revive(data.content), revive(data.style), data.constants);
        return [...halveContrast(matched).pixels];""",
        {"content": as_json(content), "style": as_json(style), "constants": color_matching_settings()},
    )
    assert np.allclose(actual, comparison_image(content, [StyleExemplar((style,))]).ravel(), atol=1e-5)


def test_match_colors_accepts_a_gray_image(modules: Modules) -> None:
    gray = np.repeat(random_image(0, 20, 20)[:, :1], 3, axis=1)
    reference = random_image(1, 20, 20)
    actual = modules.run(
        'import { matchColors } from "./color.js";',
        f"{REVIVE} return [...matchColors(revive(data.image), revive(data.reference), data.constants).pixels];",
        {"image": as_json(gray), "reference": as_json(reference), "constants": color_matching_settings()},
    )
    assert np.allclose(actual, match_colors(gray, reference).clip(0, 1).ravel(), atol=1e-4)


@pytest.mark.parametrize("size", [(20, 30), (100, 51), (37, 31)])
def test_resize_returns_the_image_of_pillow(modules: Modules, size: tuple[int, int]) -> None:
    image = random_image(0, 37, 53)
    actual = modules.run(
        'import { resize } from "./resize.js";',
        f"{REVIVE} return [...resize(revive(data.image), data.size).pixels];",
        {"image": as_json(image), "size": {"width": size[0], "height": size[1]}},
    )
    assert np.allclose(actual, resize(image, size).ravel(), atol=1e-5)
