"""The style losses that an exported objective can have, as plain tensor operations with their gradients.

They compute the same as the classes in `core.objective`, whose backward functions work in place.
"""

from collections.abc import Callable, Mapping

from torch import Tensor

from core.objective.gram import gram
from core.objective.reductions import mean_square
from export.objective.backward import gram_backward, mean_square_grad

StyleTerm = Callable[[Tensor, Tensor, Tensor, Tensor | None], tuple[Tensor, Tensor]]
"""Returns the weighted loss of a layer and its gradient (1, C, h, w), given features, target, weight and mask.

For R regions the target has R elements along its first axis, the weight is (R,), and the mask, with mean 1 in every
region, (R, 1, h, w). Without regions R is 1, the weight is (), and the mask None.
"""


def _gram_term(features: Tensor, target: Tensor, weight: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    loss, grad = _weighted_mean_square(gram(features, mask) - target, weight)
    return loss, gram_backward(grad, features, mask)


def _nearest_term(features: Tensor, target: Tensor, weight: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    difference = features - target
    if mask is None:
        return _weighted_mean_square(difference, weight)
    root = mask.sqrt()
    loss, grad = _weighted_mean_square(difference * root, weight)
    return loss, (grad * root).sum(0, keepdim=True)


def _weighted_mean_square(difference: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return the weighted sum over all regions of the mean square in each, and its gradient."""
    if weight.ndim == 0:
        return weight * mean_square(difference), mean_square_grad(difference) * weight
    factor = (weight * difference.shape[0]).view(-1, *(1,) * (difference.ndim - 1))
    return mean_square(difference * factor.sqrt()), mean_square_grad(difference) * factor


STYLE_TERMS: Mapping[str, StyleTerm] = {"gram": _gram_term, "nearest": _nearest_term}
"""The style losses that are registered as exportable in `core.config.style_losses`."""
