"""Types shared by the optimizers."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from core.arrays import Array
from core.errors import StyleTransferError


@dataclass(frozen=True)
class Evaluation:
    """Loss, gradient (shape of the image) and weighted loss terms by name, at one image.

    `loss` and `parts` are floats, or 0-d device tensors if a deferred (non-synchronising) objective returned them.
    """

    loss: Any
    gradient: Array
    parts: Mapping[str, Any]


class Objective(Protocol):
    """A function of an image that returns the loss and its gradient."""

    def __call__(self, image: Array, /) -> Evaluation:
        """Evaluate at `image`, (1, 3, H, W) RGB in [0, 1]."""
        ...


class WeightedObjective(Objective, Protocol):
    """An objective whose loss weights can be changed without computing its targets again."""

    def scaled(self, *, content: float = 1.0, style: float = 1.0, tv: float = 1.0) -> "WeightedObjective":
        """Return the objective with the weights of content, style and total variation multiplied by these factors."""
        ...


class StochasticObjective(Objective, Protocol):
    """An objective that draws a random sample, for example of positions, for each evaluation.

    Losses of different samples cannot be compared with each other. A call without `at_step` uses the sample of an
    unspecified step.
    """

    def at_step(self, step: int) -> Objective:
        """Return the objective with the sample of evaluation number `step` >= 1.

        The sample depends on `step` alone, so that a resumed run draws the samples of the uninterrupted one.
        """
        ...


@dataclass(frozen=True)
class Step:
    """State of a minimisation after some evaluations: the image to deliver, its loss, and the optimizer's state.

    `arrays`, shaped like the image, and `numbers`, JSON-serialisable, are the state from which the optimizer can
    resume. The optimizer changes the arrays in place when the next step is requested: copy them to store them.
    """

    evaluations: int
    image: Array
    loss: float
    parts: Mapping[str, float]
    arrays: Mapping[str, Array] = field(default_factory=dict, repr=False)
    numbers: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def converted(self, convert: Callable[[Array], Array]) -> "Step":
        """Return the step with `convert` applied to the image and every array, for example torch to NumPy."""
        arrays = {name: convert(array) for name, array in self.arrays.items()}
        return replace(self, image=convert(self.image), arrays=arrays)


def evaluate_start(objective: Objective, image: Array, place: str = "the initial image") -> Evaluation:
    """Evaluate at an image from which an optimiser starts, or starts again; `place` names it in the error.

    Raises:
        StyleTransferError: The loss or the gradient is not finite.
    """
    evaluation = objective(image)
    if not is_finite(evaluation):
        raise non_finite_error(evaluation.loss, place)
    return evaluation


def non_finite_error(loss: float, place: str = "the initial image") -> StyleTransferError:
    """Return the error for an image, called `place`, whose loss or gradient is not finite."""
    return StyleTransferError(
        f"the loss or the gradient at {place} is not finite (loss {loss}): "
        "check the input images or use smaller weights"
    )


def is_finite(evaluation: Evaluation) -> bool:
    """Return whether the loss and all values of the gradient are finite."""
    return math.isfinite(evaluation.loss) and math.isfinite(root_mean_square(evaluation.gradient))


def root_mean_square(array: Array) -> float:
    """Return the root mean square of all values of an array."""
    return math.sqrt(float((array * array).sum()) / math.prod(array.shape))
