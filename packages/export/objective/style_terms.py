"""The style losses that an exported objective can have, with their gradients, in an ONNX graph.

They repeat the classes in `core.objective`, whose backward functions work in place on PyTorch tensors.
"""

from collections.abc import Callable
from dataclasses import dataclass

from core.objective.variance_floor import variance_floor
from export.graph.values import Value, concatenated, maximum
from export.objective.losses import (
    covariances,
    gram,
    gram_backward,
    mean_square,
    mean_square_grad,
    means,
    moments_backward,
)

StyleTerm = Callable[[Value, Value, Value, Value | None], tuple[Value, Value]]
"""Returns the weighted loss of a layer and its gradient (1, C, h, w), given features, target, weight and mask.

For R regions the target has R elements along its first axis, the weight is (R,), and the mask, with mean 1 in every
region, (R, 1, h, w). Without regions R is 1, the weight is (), and the mask None. If the target has parts, such as
covariances and means, the weight has a further axis, with a weight for each part.
"""


def _gram_term(features: Value, target: Value, weight: Value, mask: Value | None) -> tuple[Value, Value]:
    difference = gram(features, mask) - target
    if mask is None:
        loss, grad = mean_square(difference, 3) * weight, mean_square_grad(difference) * weight
    else:
        loss, grad = _of_regions(difference, weight, 3)
    return loss, gram_backward(grad, features, mask)


def _moments_term(features: Value, target: Value, weight: Value, mask: Value | None) -> tuple[Value, Value]:
    mean = means(features, mask)
    target_covariance, target_mean = _covariances_and_means(target)
    difference = covariances(features, mean, mask) - target_covariance
    of_covariance, grad_covariance = _of_regions(difference, weight.take(0, axis=-1), 3)
    of_mean, grad_mean = _of_regions(mean - target_mean, weight.take(1, axis=-1), 3)
    return of_covariance + of_mean, moments_backward(grad_covariance, grad_mean, features, mean, mask)


def _nearest_term(features: Value, target: Value, weight: Value, mask: Value | None) -> tuple[Value, Value]:
    difference = features - target
    if mask is None:
        return mean_square(difference, 4) * weight, mean_square_grad(difference) * weight
    root = mask.sqrt()
    loss, grad = _of_regions(difference * root, weight, 4)
    return loss, (grad * root).sum(0, keepdims=True)


def _covariances_with_means(features: Value) -> Value:
    """Return the covariances of features (1, C, H, W), and their means as the last column, (1, C, C + 1)."""
    mean = means(features)
    return concatenated([covariances(features, mean), mean], 2)


def _covariances_and_means(moments: Value) -> tuple[Value, Value]:
    """Return covariances (R, C, C) and means (R, C, 1) from (R, C, C + 1)."""
    return moments.slice(0, -1, axis=2), moments.slice(-1, axis=2)


def _relative_weights(target: Value, weight: Value) -> Value:
    """Return the weights (2,) of covariances and means for the `weight` () of a layer: see `core.objective.moments`."""
    covariance, mean = _covariances_and_means(target)
    variance, square_of_means = _mean_diagonal(covariance), (mean * mean).mean()
    floor = variance_floor(variance + square_of_means)
    squares = maximum(mean_square(covariance, 3), floor * floor), maximum(variance, floor)
    return concatenated([(weight / square).reshape(1) for square in squares])


def _mean_diagonal(matrices: Value) -> Value:
    """Return the mean of the diagonal elements of (1, C, C), ()."""
    return matrices.reshape(-1).slice(0, step=matrices.side(2) + 1).mean()


def _of_regions(difference: Value, weight: Value, rank: int) -> tuple[Value, Value]:
    """Return the weighted sum over all regions of the mean square in each, and its gradient."""
    factor = (weight * weight.size.cast(weight.dtype)).reshape(-1, *(1,) * (rank - 1))
    return mean_square(difference * factor.sqrt(), rank), mean_square_grad(difference) * factor


@dataclass(frozen=True)
class GraphStyleLoss:
    """A style loss in a graph.

    Attributes:
        term: Computes the loss of a layer and its gradient.
        statistic: Returns the statistic (1, C, columns) of features (1, C, h, w), with which a painter computes the
            target from the style image; None if the loss has position targets.
        weights: Returns the weight that `term` takes, given the target and the weight () of the layer.
    """

    term: StyleTerm
    statistic: Callable[[Value], Value] | None = None
    weights: Callable[[Value, Value], Value] = lambda target, weight: weight


STYLE_LOSS_GRAPHS: dict[str, GraphStyleLoss] = {
    "gram": GraphStyleLoss(_gram_term, gram),
    "moments": GraphStyleLoss(_moments_term, _covariances_with_means, _relative_weights),
    "nearest": GraphStyleLoss(_nearest_term),
}
"""The style losses that are registered with `exported`, by name."""
