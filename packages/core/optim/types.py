"""Types that every optimiser shares."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from core.arrays import Array
from core.errors import StyleTransferError


@dataclass(frozen=True)
class Evaluation:
    """An objective at one picture: the loss, its gradient (shaped like the picture) and its weighted parts.

    The numbers are floats, but where it is said that they are left on a device: there they are arrays ().
    """

    loss: Any
    gradient: Array
    parts: Mapping[str, Any]


class Objective(Protocol):
    """Anything that, called with a picture, returns the loss there and its gradient."""

    def __call__(self, image: Array, /) -> Evaluation:
        """Evaluate at `image`: (1, 3, H, W) RGB in [0, 1]."""
        ...


class WeightedObjective(Objective, Protocol):
    """An objective whose terms can be weighed anew without computing its targets again."""

    def scaled(self, *, content: float = 1.0, style: float = 1.0) -> "WeightedObjective":
        """The same with the weights of the content and of the style multiplied."""
        ...


@dataclass(frozen=True)
class Step:
    """Where a minimisation stands: the best picture so far, its loss, and the evaluations spent on it.

    `arrays`, shaped like the picture, and `numbers`, JSON-ready, are what the optimiser needs beside these to go on
    from here. It changes the arrays in place when it is asked for the next step: who keeps them longer copies them.
    """

    evaluations: int
    image: Array
    loss: float
    parts: Mapping[str, float]
    arrays: Mapping[str, Array] = field(default_factory=dict, repr=False)
    numbers: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def converted(self, convert: Callable[[Array], Array]) -> "Step":
        """The same with other arrays, such as NumPy's for PyTorch's."""
        arrays = {name: convert(array) for name, array in self.arrays.items()}
        return replace(self, image=convert(self.image), arrays=arrays)


def _evaluate_start(objective: Objective, image: Array) -> Evaluation:
    here = objective(image)
    if not _is_finite(here):
        raise not_finite(here.loss)
    return here


def not_finite(loss: float) -> StyleTransferError:
    """The error of a start whose loss or gradient is not finite."""
    return StyleTransferError(f"the loss is {loss} at the start, where a finite one was expected: use smaller weights")


def _is_finite(evaluation: Evaluation) -> bool:
    return math.isfinite(evaluation.loss) and math.isfinite(root_mean_square(evaluation.gradient))


def root_mean_square(array: Array) -> float:
    """Of all values of an array."""
    return math.sqrt(float((array * array).sum()) / math.prod(array.shape))
