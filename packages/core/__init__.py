"""Paint a photograph in the style of another picture by optimising its pixels (Gatys et al., arXiv 1508.06576)."""

from core.config import TransferConfig
from core.errors import StyleTransferError, UsageError
from core.presets import PRESETS
from core.stylize import Progress, Result, stylize

__all__ = ["PRESETS", "Progress", "Result", "StyleTransferError", "TransferConfig", "UsageError", "stylize"]
