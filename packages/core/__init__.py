"""Render an image in the style of another by optimising its pixels (Gatys et al., arXiv 1508.06576)."""

from core.config.presets import EFFORTS, PRESETS
from core.config.transfer_config import TransferConfig
from core.errors import StyleTransferError, UsageError
from core.runs.checkpoint import Checkpoint
from core.runs.progress import Progress, Result, RunFailedError
from core.style_transfer import stylize
from core.styles import Style

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
