"""The images of a scale in a graph against those of a run."""

import numpy as np
import pytest

from core.config.transfer_config import TransferConfig
from core.image.resize import resize
from core.multiscale.initial_image import color_matched_image, finer_initial_image, initial_image
from core.multiscale.preparation import comparison_image
from core.styles import StyleExemplar
from export.graph.values import Value
from export.painter.preparation import ScaleImages
from export.painter.schedule import GraphScale
from support.graphs import computed

GENERATOR = np.random.default_rng(0)
CONTENT = GENERATOR.random((1, 3, 40, 61), dtype=np.float32) ** 2
STYLE = GENERATOR.random((1, 3, 36, 50), dtype=np.float32) * np.float32([0.9, 0.5, 0.3]).reshape(1, 3, 1, 1)
COARSE = GENERATOR.random((1, 3, 10, 15), dtype=np.float32)
SIZE, STYLE_SIZE = (30, 20), (25, 18)
IMAGE, EXEMPLARS = resize(CONTENT, SIZE), [StyleExemplar((resize(STYLE, STYLE_SIZE),))]


def images_of(content: Value, style: Value) -> ScaleImages:
    sides = [Value.constant(side, np.int64) for side in (*SIZE[::-1], *STYLE_SIZE[::-1], 0, 9)]
    factors = [Value.constant(1, np.float32)] * 2
    return ScaleImages.of(content, style, GraphScale(*sides, *factors))


def test_images_have_the_size_of_the_scale_and_the_colors_of_the_style() -> None:
    found = computed(
        lambda content, style: {
            name: getattr(images_of(content, style), name) for name in ("content", "style", "matched", "comparison")
        },
        CONTENT,
        STYLE,
    )
    np.testing.assert_allclose(found["content"], IMAGE, atol=1e-5)
    np.testing.assert_allclose(found["style"], EXEMPLARS[0].images[0], atol=1e-5)
    np.testing.assert_allclose(found["matched"], color_matched_image(IMAGE, EXEMPLARS), atol=5e-5)
    np.testing.assert_allclose(found["comparison"], comparison_image(IMAGE, EXEMPLARS), atol=5e-5)


def test_initial_images_equal_those_of_a_run() -> None:
    """At strengths below 0.5 the colours are those of the style in part; fixed weights have no strength."""
    options = [{"init": "content"}, *({"strength": share} for share in (0, 0.2, 0.5, 0.9)), {"style_weight": 1}]
    configs = {str(one): TransferConfig(**one) for one in options}

    def build(content: Value, style: Value) -> dict[str, Value]:
        images = images_of(content, style)
        strengths = {name: config.normalized_strength for name, config in configs.items()}
        values = {name: None if one is None else Value.constant(one, np.float32) for name, one in strengths.items()}
        return {name: images.initial(values[name], config) for name, config in configs.items()}

    for name, found in computed(build, CONTENT, STYLE).items():
        expected = initial_image(IMAGE, EXEMPLARS, configs[name])
        np.testing.assert_allclose(found, expected, atol=5e-5, err_msg=name)


@pytest.mark.parametrize("init", ["matched", "content"])
def test_a_finer_scale_starts_from_the_enlarged_result_as_a_run_does(init: str) -> None:
    config = TransferConfig(init=init)
    initial = initial_image(IMAGE, EXEMPLARS, config)

    def build(content: Value, style: Value, coarse: Value, initial: Value) -> Value:
        return images_of(content, style).finer_initial(coarse, initial, config)

    found = computed(build, CONTENT, STYLE, COARSE, initial)
    np.testing.assert_allclose(found, finer_initial_image(COARSE, initial, config), atol=5e-5)
