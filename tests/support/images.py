"""Example images and their pixels."""

import shutil
from pathlib import Path

import numpy as np
from PIL import Image

EXAMPLES = Path(__file__).parents[2] / "examples"
CHROMIUM = shutil.which("chromium")


def pixels_of(path: Path) -> np.ndarray:
    """The image in a file as (H, W, C) uint8."""
    with Image.open(path) as image:
        return np.asarray(image)
