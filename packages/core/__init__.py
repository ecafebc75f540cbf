"""Paint a photograph in the style of another picture by optimising its pixels (Gatys et al., arXiv 1508.06576)."""

from core.checkpoint import Checkpoint
from core.config import TransferConfig
from core.errors import StyleTransferError, UsageError
from core.presets import PRESETS
from core.styles import Style
from core.stylize import Progress, Result, stylize

__all__ = [
    "PRESETS",
    "Checkpoint",
    "Progress",
    "Result",
    "Style",
    "StyleTransferError",
    "TransferConfig",
    "UsageError",
    "stylize",
]
