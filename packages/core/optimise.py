"""Minimise an objective over pictures whose every value stays in [0, 1].

Works on NumPy arrays and torch tensors alike: only arithmetic, comparisons, `.sum()` and `.clip()` are used,
so the same code drives every way of computing the objective. Lengths are counted in evaluations of it.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from core.arrays import Array
from core.curvature import CurvatureMemory
from core.errors import StyleTransferError

SUFFICIENT_DECREASE = 1e-4
MAX_BACKTRACKS = 8
LEAST_SHRINKAGE, MOST_SHRINKAGE = 0.1, 0.5
"""What is left of a step that did not help, at the least and at the most."""

FIRST_MOVE = 0.01
"""Root mean square change of the first L-BFGS step: an unscaled one is often far too long."""


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

    def emphasised(self, *, content: float = 1.0, style: float = 1.0) -> "WeightedObjective":
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


def lbfgs(objective: Objective, start: Array | Step, *, evaluations: int, history: int = 20) -> Iterator[Step]:
    """Projected L-BFGS: quasi-Newton steps among the values free to move, clipped to the box.

    A value that sits on a bound and whose gradient pushes outwards is held; L-BFGS runs among the others, and a
    backtracking search along the projected path (Bertsekas 1982, Projected Newton methods) accepts only what lowers
    the loss. The current picture is therefore always the best one. When no step helps, the memory is dropped and the
    search goes on from there along the gradient; when that does not help either, the minimum is reached to within
    rounding and the iteration ends.

    A step for a `start` is given again, and then those that followed it, bit for bit.

    Raises:
        StyleTransferError: The objective is not finite at `start`.
    """
    memory = CurvatureMemory(history)
    if isinstance(start, Step):
        used, image, arrays, numbers = start.evaluations, start.image, dict(start.arrays), start.numbers
        here = Evaluation(start.loss, arrays["gradient"], start.parts)
        del start  # it would keep the arrays alive
        memory.restore(arrays, numbers)
    else:
        used, image = 1, start.clip(0, 1)
        here = _evaluate_start(objective, image)
        del start
    yield Step(used, image, here.loss, here.parts, {"gradient": here.gradient, **memory.arrays()}, memory.numbers())
    while used < evaluations:
        free = free_values(image, here.gradient)
        direction = -memory.multiply(here.gradient * free, free)
        length = 1.0 if memory else FIRST_MOVE / max(root_mean_square(direction), 1e-30)
        for _ in range(min(MAX_BACKTRACKS, evaluations - used)):
            candidate = (image + length * direction).clip(0, 1)
            move = candidate - image
            slope_there = (here.gradient * move).sum()
            there = objective(candidate)
            slope = float(slope_there)  # read only now: on CUDA that waits for the device
            used += 1
            enough = here.loss + SUFFICIENT_DECREASE * slope
            if _is_finite(there) and there.loss < here.loss and there.loss <= enough:
                break
            length *= _shrinkage(here.loss, there.loss, slope)
        else:
            if not memory:
                return
            memory.clear()
            continue
        memory.add(move, there.gradient - here.gradient)
        image, here = candidate, there
        yield Step(used, image, here.loss, here.parts, {"gradient": here.gradient, **memory.arrays()}, memory.numbers())


def free_values(image: Array, gradient: Array) -> Array:
    """Which values are free to move: a mask without those on a bound whose gradient pushes outwards."""
    return ((image > 0) | (gradient < 0)) & ((image < 1) | (gradient > 0))


def adam(
    objective: Objective,
    start: Array | Step,
    *,
    evaluations: int,
    learning_rate: float = 0.02,
    averaging: float = 0.0,
) -> Iterator[Step]:
    """Adam (Kingma and Ba, arXiv 1412.6980) with every picture clipped to the box; the best one is kept.

    With `averaging` in (0, 1) the last evaluation is spent on the bias-corrected exponential moving average of
    the pictures, which is delivered if it is better. A loss that is not finite sends the iteration back to the
    best picture with half the learning rate.

    A step for a `start` is given again, and then those that followed it, bit for bit.

    Raises:
        StyleTransferError: The objective is not finite at `start`.
    """
    best = start if isinstance(start, Step) else _first_of_adam(objective, start.clip(0, 1), learning_rate)
    del start
    image, gradient, first, second, average = (best.arrays[name] for name in _ADAM_ARRAYS)
    learning_rate, weight_first, weight_second, weight_average = (best.numbers[name] for name in _ADAM_NUMBERS)
    yield best
    for used in range(best.evaluations + 1, evaluations + 1):
        first, weight_first = 0.9 * first + 0.1 * gradient, 0.9 * weight_first + 0.1
        second, weight_second = 0.99 * second + 0.01 * gradient**2, 0.99 * weight_second + 0.01
        move = learning_rate * (first / weight_first) / ((second / weight_second) ** 0.5 + 1e-8)
        image = (image - move).clip(0, 1)
        if averaging:
            average = averaging * average + (1 - averaging) * image
            weight_average = averaging * weight_average + (1 - averaging)
            if used == evaluations:
                image = average / weight_average
        here = objective(image)
        if not _is_finite(here):
            image, learning_rate = best.image, learning_rate / 2
            first = second = image * 0
            weight_first = weight_second = 0.0
            here = _evaluate_start(objective, image)
        if here.loss <= best.loss:
            best = Step(used, image, here.loss, here.parts)
        gradient = here.gradient
        arrays = (image, gradient, first, second, average)
        numbers = (learning_rate, weight_first, weight_second, weight_average)
        best = replace(
            best,
            evaluations=used,
            arrays=dict(zip(_ADAM_ARRAYS, arrays, strict=True)),
            numbers=dict(zip(_ADAM_NUMBERS, numbers, strict=True)),
        )
        yield best


_ADAM_ARRAYS = ("current", "gradient", "first", "second", "average")
_ADAM_NUMBERS = ("learning_rate", "weight_first", "weight_second", "weight_average")
"""What Adam needs to go on: the latest picture, its gradient, and the sums that become means over their weights."""


def _first_of_adam(objective: Objective, image: Array, learning_rate: float) -> Step:
    here, zero = _evaluate_start(objective, image), image * 0
    arrays = dict(zip(_ADAM_ARRAYS, (image, here.gradient, zero, zero, zero), strict=True))
    numbers = dict(zip(_ADAM_NUMBERS, (learning_rate, 0.0, 0.0, 0.0), strict=True))
    return Step(1, image, here.loss, here.parts, arrays, numbers)


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


def _shrinkage(loss_here: float, loss_there: float, slope: float) -> float:
    """Where the parabola through both losses and the slope has its minimum, as a part of the move, within limits."""
    bend = loss_there - loss_here - slope
    if not math.isfinite(bend) or bend <= 0:
        return LEAST_SHRINKAGE
    return min(max(-slope / (2 * bend), LEAST_SHRINKAGE), MOST_SHRINKAGE)
