"""The measures of changed photographs: each measure answers to its own kind of change."""

import numpy as np
import pytest

from bench.quality.efficientnet import load_efficientnet
from bench.quality.measures import Reference
from core.arrays import Pixels
from core.image.reading import read_image
from core.image.resize import resize
from support.images import EXAMPLES


def example(name: str) -> Pixels:
    return resize(read_image(EXAMPLES / name).pixels, (192, 128))


@pytest.fixture(scope="module")
def content() -> Pixels:
    return example("content/coffee.jpg")


@pytest.fixture(scope="module")
def style() -> Pixels:
    return example("style/night.jpg")


@pytest.fixture(scope="module")
def reference(content: Pixels, style: Pixels) -> Reference:
    return Reference.of(load_efficientnet(), content, style)


def test_controls_differ_only_from_the_other_image(reference: Reference, content: Pixels, style: Pixels) -> None:
    photograph, painting = reference.measure(content), reference.measure(style)
    assert (photograph.structure, painting.style, painting.color) == (0, 0, 0)
    assert painting.structure > 0.1
    assert photograph.style > 0.1
    assert photograph.color > 10


def test_exchanged_colors_change_the_color_and_hardly_the_structure(reference: Reference, content: Pixels) -> None:
    exchanged = np.ascontiguousarray(content[:, ::-1])
    before, after = reference.measure(content), reference.measure(exchanged)
    unrelated = reference.measure(example("content/cat.jpg"))
    assert abs(after.color - before.color) > 5
    assert after.structure < unrelated.structure / 2


def test_noise_raises_dirt_by_its_energy(reference: Reference, content: Pixels) -> None:
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, content.shape).astype(np.float32)
    dull = 0.2 + 0.6 * content  # leaves room for the noise
    plain, once, twice = (reference.measure(dull + factor * noise).dirt for factor in (0, 1, 2))
    assert plain is not None
    assert once is not None
    assert twice is not None
    assert twice - plain == pytest.approx(4 * (once - plain), rel=0.1)
