"""Minimise an objective over pictures whose every value stays in [0, 1].

Works on NumPy arrays and torch tensors alike: only arithmetic, comparisons, `.sum()` and `.clip()` are used,
so the same code drives every way of computing the objective. Lengths are counted in evaluations of it.
"""

import math
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from core.errors import StyleTransferError

Array = Any
"""A NumPy array or a torch tensor, floating point, of any shape: the picture is (1, 3, H, W)."""

SUFFICIENT_DECREASE = 1e-4
MAX_BACKTRACKS = 8
MIN_CURVATURE = 1e-10
FIRST_MOVE = 0.01
"""Root mean square change of the first L-BFGS step: an unscaled one is often far too long."""


@dataclass(frozen=True)
class Evaluation:
    """An objective at one picture: the loss, its gradient (shaped like the picture) and its weighted parts."""

    loss: float
    gradient: Array
    parts: Mapping[str, float]


class Objective(Protocol):
    """Anything that, called with a picture, returns the loss there and its gradient."""

    def __call__(self, image: Array, /) -> Evaluation:
        """Evaluate at `image`: (1, 3, H, W) RGB in [0, 1]."""
        ...


@dataclass(frozen=True)
class Step:
    """Where a minimisation stands: the best picture so far, its loss, and the evaluations spent on it."""

    evaluations: int
    image: Array
    loss: float
    parts: Mapping[str, float]


def lbfgs(objective: Objective, start: Array, *, evaluations: int, history: int = 20) -> Iterator[Step]:
    """Projected L-BFGS: quasi-Newton steps among the values free to move, clipped to the box.

    A value that sits on a bound and whose gradient pushes outwards is held; the two-loop recursion
    (Nocedal and Wright, Numerical Optimization, algorithm 7.4) runs among the others, and a backtracking search
    along the projected path (Bertsekas 1982, Projected Newton methods) accepts only what lowers the loss. The
    current picture is therefore always the best one. When no step helps, the memory is dropped and the search
    goes on from there along the gradient; when that does not help either, the minimum is reached to within
    rounding and the iteration ends.

    Raises:
        StyleTransferError: The objective is not finite at `start`.
    """
    image, memory = start.clip(0, 1), _CurvatureMemory(history)
    here = _evaluate_start(objective, image)
    used = 1
    yield Step(used, image, here.loss, here.parts)
    while used < evaluations:
        free = ((image > 0) | (here.gradient < 0)) & ((image < 1) | (here.gradient > 0))
        direction = -memory.multiply(here.gradient * free, free)
        length = 1.0 if memory else FIRST_MOVE / max(_root_mean_square(direction), 1e-30)
        for _ in range(min(MAX_BACKTRACKS, evaluations - used)):
            candidate = (image + length * direction).clip(0, 1)
            move = candidate - image
            slope = float((here.gradient * move).sum())
            there = objective(candidate)
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
        yield Step(used, image, here.loss, here.parts)


def adam(
    objective: Objective,
    start: Array,
    *,
    evaluations: int,
    learning_rate: float = 0.02,
    averaging: float = 0.0,
) -> Iterator[Step]:
    """Adam (Kingma and Ba, arXiv 1412.6980) with every picture clipped to the box; the best one is kept.

    With `averaging` in (0, 1) the last evaluation is spent on the bias-corrected exponential moving average of
    the pictures, which is delivered if it is better. A loss that is not finite sends the iteration back to the
    best picture with half the learning rate.

    Raises:
        StyleTransferError: The objective is not finite at `start`.
    """
    image = start.clip(0, 1)
    here = _evaluate_start(objective, image)
    best = Step(1, image, here.loss, here.parts)
    yield best
    first = second = average = image * 0
    weight_first = weight_second = weight_average = 0.0
    for used in range(2, evaluations + 1):
        first, weight_first = 0.9 * first + 0.1 * here.gradient, 0.9 * weight_first + 0.1
        second, weight_second = 0.99 * second + 0.01 * here.gradient**2, 0.99 * weight_second + 0.01
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
        best = Step(used, image, here.loss, here.parts) if here.loss <= best.loss else _again(best, used)
        yield best


def _again(step: Step, used: int) -> Step:
    return Step(used, step.image, step.loss, step.parts)


class _CurvatureMemory:
    """The last pairs of moves and gradient changes, newest last, as an inverse Hessian."""

    def __init__(self, size: int) -> None:
        self._pairs: deque[tuple[Array, Array]] = deque(maxlen=size)

    def __len__(self) -> int:
        return len(self._pairs)

    def clear(self) -> None:
        self._pairs.clear()

    def add(self, move: Array, change: Array) -> None:
        """Keep the pair if the loss curves upwards along it; otherwise it would spoil the descent."""
        curvature = float((move * change).sum())
        if curvature > MIN_CURVATURE * float((change * change).sum()):
            self._pairs.append((move, change))

    def multiply(self, gradient: Array, free: Array) -> Array:
        """The inverse Hessian restricted to the `free` values (a mask), times `gradient`."""
        result, scale, seen = gradient, None, []
        for whole_move, whole_change in reversed(self._pairs):
            move, change = whole_move * free, whole_change * free
            curvature = (move * change).sum()
            # A pair may curve upwards only with the values now held in; without them it counts for nothing.
            valid = curvature > 0
            weight = valid / (curvature * valid + ~valid)
            factor = weight * (move * result).sum()
            result = result - factor * change
            seen.append((move, change, weight, factor))
            scale = curvature / (change * change).sum() if scale is None else scale
        result = result if scale is None else result * abs(scale)
        for move, change, weight, factor in reversed(seen):
            result = result + (factor - weight * (change * result).sum()) * move
        return result


def _evaluate_start(objective: Objective, image: Array) -> Evaluation:
    here = objective(image)
    if not _is_finite(here):
        raise StyleTransferError(
            f"the loss is {here.loss} at the start, where a finite one was expected: use smaller weights"
        )
    return here


def _is_finite(evaluation: Evaluation) -> bool:
    return math.isfinite(evaluation.loss) and math.isfinite(_root_mean_square(evaluation.gradient))


def _root_mean_square(array: Array) -> float:
    return math.sqrt(float((array * array).sum()) / math.prod(array.shape))


def _shrinkage(loss_here: float, loss_there: float, slope: float) -> float:
    """Where the parabola through both losses and the slope has its minimum, as a part of the move, in [0.1, 0.5]."""
    bend = loss_there - loss_here - slope
    if not math.isfinite(bend) or bend <= 0:
        return 0.1
    return min(max(-slope / (2 * bend), 0.1), 0.5)
