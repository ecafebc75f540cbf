"""Conversion of PyTorch modules to the artifact formats."""

from collections.abc import Callable
from pathlib import Path

from core.artifacts.manifest import Manifest

Writer = Callable[[Manifest, Path], None]
"""Writes a converted module, with a manifest inside, to a path. It can be called several times."""
