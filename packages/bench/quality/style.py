"""Style: Gram matrices as in Gatys et al. (arXiv 1508.06576), but of features that no run optimises."""

from collections.abc import Mapping

from torch import Tensor

from core.objective.gram import gram


def style_statistics(features: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the Gram matrix (1, C, C) of features (1, C, H, W), by tap."""
    return {tap: gram(values) for tap, values in features.items()}


def style_difference(result: Mapping[str, Tensor], style: Mapping[str, Tensor]) -> float:
    """Return the Frobenius norm of the difference of two Gram matrices over that of the style, averaged over the taps.

    It is 0 for equal matrices, and 1 for a result without any features.
    """
    ratios = [float((result[tap] - style[tap]).norm() / style[tap].norm()) for tap in style]
    return sum(ratios) / len(ratios)
