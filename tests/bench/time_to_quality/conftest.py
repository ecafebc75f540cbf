"""Tasks for the tests of the programs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.time_to_quality.task import Task
from core.image.reading import read_image
from core.image.resize import resize
from core.image.writing import quantize
from core.network.weights import load_weights
from support.quality_tasks import SHORT, SIZE
from support.tiny_vgg import use_tiny_vgg


def make_task(content_path: Path, style_path: Path, weights: Any) -> Task:
    content, style = (read_image(path).pixels for path in (content_path, style_path))
    small = quantize(resize(content, SIZE)), quantize(resize(style, (36, 40)))
    return Task(*small, SHORT, weights, evaluations=3)


@pytest.fixture(scope="module")
def task(content_path: Path, style_path: Path) -> Iterator[Task]:
    """A task of 3 evaluations at 48 x 32 with the tiny VGG."""
    with use_tiny_vgg():
        yield make_task(content_path, style_path, load_weights("vgg19"))


@pytest.fixture(scope="module")
def real_task(content_path: Path, style_path: Path, vgg19_weights: Any) -> Task:
    """The same task with the published weights."""
    return make_task(content_path, style_path, vgg19_weights)
