"""A run of small images, and the objective of a backend for one content image and one style image."""

from typing import Any

import numpy as np

from core.arrays import Pixels, size_of
from core.backends.base import Backend
from core.config.transfer_config import TransferConfig
from core.memory.plan import Plan
from core.styles import StyleExemplar

WIDE = TransferConfig(
    content_layers="relu2_1",
    style_layers="relu1_1,relu2_1",
    image_size=300,
    scales=1,
    padding=0,
    iterations=6,
    device="cpu",
)
"""Options for images that are wide enough for several tiles."""


def random_pixels(seed: int, width: int = 300, height: int = 20) -> Pixels:
    """An image of uniform noise."""
    return np.random.default_rng(seed).random((1, 3, height, width), np.float32)


def objective_of(backend: Backend, content: Pixels, style: Pixels, plan: Plan | None = None) -> Any:
    """Compute the targets of a style that applies to the whole image, with `plan` or that of the backend."""
    plan = plan or backend.plan(size_of(content), size_of(style))
    return backend.objective(content, [StyleExemplar((style,))], plan)
