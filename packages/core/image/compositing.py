"""Composite images with alpha over white, and recover their colours. All arrays have values in [0, 1]."""

import numpy as np

from core.arrays import Pixels


def over_white(colors: Pixels, alpha: Pixels) -> Pixels:
    """Return colours composited over white; `alpha` has one channel in place of the three of `colors`."""
    composite: Pixels = colors * alpha
    composite += 1 - alpha
    return composite


def without_white(composite: Pixels, alpha: Pixels) -> Pixels:
    """Return the colours from which `over_white` makes `composite`, clipped; where alpha is 0, `composite` itself."""
    colors: Pixels = composite.copy()
    visible = np.broadcast_to(alpha > 0, composite.shape)
    np.divide(composite - (1 - alpha), alpha, out=colors, where=visible)
    return colors.clip(0, 1, out=colors)
