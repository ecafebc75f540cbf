"""The style losses that an exported objective can have, as plain tensor operations with their gradients.

They compute the same as the classes in `core.objective`, whose backward functions work in place.
"""

from collections.abc import Callable, Mapping

from torch import Tensor

from core.objective.gram import gram
from core.objective.reductions import mean_square
from export.objective.backward import gram_backward, mean_square_grad

StyleTerm = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""Returns the weighted loss of a layer and its gradient (1, C, h, w), given features, target and weight."""


def _gram_term(features: Tensor, target: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    difference = gram(features) - target
    return weight * mean_square(difference), gram_backward(mean_square_grad(difference) * weight, features)


def _nearest_term(features: Tensor, target: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    difference = features - target
    return weight * mean_square(difference), mean_square_grad(difference) * weight


STYLE_TERMS: Mapping[str, StyleTerm] = {"gram": _gram_term, "nearest": _nearest_term}
"""The style losses that are registered as exportable in `core.config.style_losses`."""
