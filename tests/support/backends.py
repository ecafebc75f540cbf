"""The objective of a backend for one content image and one style image."""

from typing import Any

from core.arrays import Pixels, size_of
from core.backends.base import Backend
from core.memory.plan import Plan
from core.styles import StyleExemplar


def objective_of(backend: Backend, content: Pixels, style: Pixels, plan: Plan | None = None) -> Any:
    """Compute the targets of a style that applies to the whole image, with `plan` or that of the backend."""
    plan = plan or backend.plan(size_of(content), size_of(style))
    return backend.objective(content, [StyleExemplar((style,))], plan)
