"""Checks of masks that every backend makes. Without PyTorch."""

from core.errors import UsageError


def check_not_empty(maximum: float, kind: str) -> None:
    """Check that a mask, averaged to the size of a layer, is not empty.

    Args:
        maximum: Its maximum, where white is 1.
        kind: "region" or "style".

    Raises:
        UsageError: It is empty.
    """
    if not maximum > 1 / 255:
        raise UsageError(
            f"a {kind} mask is too small or too dark for the deepest layer: enlarge or brighten its white area"
        )
