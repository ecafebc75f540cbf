"""The style losses that an exported objective can have, with their gradients, in an ONNX graph.

They compute the same as the classes in `core.objective`, whose backward functions work in place.
"""

from collections.abc import Callable, Mapping

from export.graph.values import Value
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
region, (R, 1, h, w). Without regions R is 1, the weight is (), and the mask None. For "moments" the weight has a
further axis of length 2: the weights of the covariances and of the means.
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
    target_covariance, target_mean = target.slice(0, -1, axis=2), target.slice(-1, 2**31 - 1, axis=2)
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


def _of_regions(difference: Value, weight: Value, rank: int) -> tuple[Value, Value]:
    """Return the weighted sum over all regions of the mean square in each, and its gradient."""
    factor = (weight * weight.size.cast(weight.dtype)).reshape(-1, *(1,) * (rank - 1))
    return mean_square(difference * factor.sqrt(), rank), mean_square_grad(difference) * factor


STYLE_TERMS: Mapping[str, StyleTerm] = {"gram": _gram_term, "moments": _moments_term, "nearest": _nearest_term}
"""The style losses that are registered as exportable in `core.config.style_losses`."""
