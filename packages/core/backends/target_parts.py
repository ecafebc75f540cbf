"""The parts that style targets consist of, each with a factor of its own. In NumPy."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.config.exported_losses import exported_target
from core.config.style_losses import load_reference
from core.objective.variance_floor import variance_floor

Values = NDArray[np.float32]


class Part(NamedTuple):
    """A part of the target of a layer. Its loss is `factor` times the mean squared difference from `values`."""

    values: Values
    factor: float = 1.0


Parts = Sequence[Part]
"""The target of a layer: for `moments` covariances (1, C, C) and means (1, C, 1), for other losses one part."""


def parts_of(style_loss: str, target: Values) -> Parts:
    """Return the parts of a target of `core.objective.style_loss.StyleLoss`, such as a Gram matrix (1, C, C).

    Raises:
        UsageError: The style loss cannot be exported.
    """
    function = exported_target(style_loss).parts
    parts: Parts = [Part(target)] if function is None else load_reference(function)(target)
    return parts


def relative_moments(moments: Values) -> Parts:
    """Return covariances and means, relative to the covariances and the variance: `core.objective.moments`.

    The covariances are computed in float64, because differences of similar numbers lose digits.
    """
    products, means = np.split(moments.astype(np.float64), [-1], 2)
    covariances = products - means * means.transpose(0, 2, 1)
    floor = variance_floor(_mean_diagonal(products))
    square, variance = max(np.square(covariances).mean(), floor**2), max(_mean_diagonal(covariances), floor)
    return Part(covariances.astype(moments.dtype), 1 / square), Part(moments[..., -1:], 1 / variance)


def joined(parts: Parts) -> Values:
    """Return the values of all parts one after the other along the last axis."""
    return np.concatenate([part.values for part in parts], -1)


def factors(parts: Parts) -> Values:
    """Return the factor of each part."""
    return np.array([part.factor for part in parts], np.float32)


def mean_and_spread(parts: Parts, shares: Sequence[float]) -> tuple[Part, float]:
    """Return the common part of several styles, and by how much the mean of their losses exceeds its loss.

    `parts` are the same part of the target of each style, and `shares` the weights of the styles, which add up to 1.
    """
    weights = [share * part.factor for share, part in zip(shares, parts, strict=True)]
    factor = sum(weights)
    weighted = [(weight, part.values) for weight, part in zip(weights, parts, strict=True)]
    mean = sum((np.float32(weight / factor) * values for weight, values in weighted), np.zeros_like(parts[0].values))
    spread = sum(weight * float(np.square(mean - values, dtype=np.float64).mean()) for weight, values in weighted)
    return Part(mean, factor), spread


def _mean_diagonal(matrices: NDArray[np.float64]) -> float:
    return float(matrices.diagonal(axis1=1, axis2=2).mean())
