"""Render an image in the style of another by optimising its pixels (Gatys et al., arXiv 1508.06576)."""

import os

from core.config.presets import EFFORTS, PRESETS
from core.config.transfer_config import TransferConfig
from core.errors import StyleTransferError, UsageError
from core.runs.checkpoint import Checkpoint
from core.runs.progress import Progress, Result, RunFailedError
from core.style_transfer import stylize
from core.styles import Style

# A thread that waits for others checks in a loop before it sleeps. GNU OpenMP, which PyTorch uses on Linux, lets it
# loop for several milliseconds by default, and beside other programs it thereby takes the core that the others need.
# The library reads the variable when PyTorch is imported (docs/performance.md, "Beside other programs").
os.environ.setdefault("GOMP_SPINCOUNT", "3000")

__all__ = [
    "EFFORTS",
    "PRESETS",
    "Checkpoint",
    "Progress",
    "Result",
    "RunFailedError",
    "Style",
    "StyleTransferError",
    "TransferConfig",
    "UsageError",
    "stylize",
]
