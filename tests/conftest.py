"""Pictures and runs that several tests share: small, but real, with the installed weights."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="session")
def content_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photograph, 96 x 64."""
    path = tmp_path_factory.mktemp("content") / "cup.png"
    with Image.open(EXAMPLES / "content" / "coffee.jpg") as photograph:
        photograph.resize((96, 64), Image.Resampling.LANCZOS).save(path)
    return path


@pytest.fixture(scope="session")
def style_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A painting of another shape, 72 x 80."""
    path = tmp_path_factory.mktemp("style") / "night.jpg"
    with Image.open(EXAMPLES / "style" / "night.jpg") as painting:
        painting.crop((0, 0, 432, 480)).resize((72, 80), Image.Resampling.LANCZOS).save(path, quality=95)
    return path


def pixels_of(path: Path) -> np.ndarray:
    """The picture in a file as (H, W, C) uint8."""
    with Image.open(path) as image:
        return np.asarray(image)
