"""Minimise an objective over pictures whose every value stays in [0, 1].

Works on NumPy arrays and torch tensors alike: only arithmetic, comparisons, `.sum()` and `.clip()` are used,
so the same code drives every way of computing the objective. Lengths are counted in evaluations of it.
"""

import math
from collections.abc import Iterator

from core.arrays import Array
from core.optim.curvature import LBFGSHistory
from core.optim.types import Evaluation, Objective, Step, _evaluate_start, _is_finite, root_mean_square

SUFFICIENT_DECREASE = 1e-4
MAX_BACKTRACKS = 8
MIN_SHRINKAGE, MAX_SHRINKAGE = 0.1, 0.5
"""What is left of a step that did not help, at the least and at the most."""

INITIAL_STEP_RMS = 0.01
"""Root mean square change of the first L-BFGS step: an unscaled one is often far too long."""


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
    memory = LBFGSHistory(history)
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
        free = free_mask(image, here.gradient)
        direction = -memory.multiply(here.gradient * free, free)
        length = 1.0 if memory else INITIAL_STEP_RMS / max(root_mean_square(direction), 1e-30)
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


def free_mask(image: Array, gradient: Array) -> Array:
    """Which values are free to move: a mask without those on a bound whose gradient pushes outwards."""
    return ((image > 0) | (gradient < 0)) & ((image < 1) | (gradient > 0))


def _shrinkage(loss_here: float, loss_there: float, slope: float) -> float:
    """Where the parabola through both losses and the slope has its minimum, as a part of the move, within limits."""
    bend = loss_there - loss_here - slope
    if not math.isfinite(bend) or bend <= 0:
        return MIN_SHRINKAGE
    return min(max(-slope / (2 * bend), MIN_SHRINKAGE), MAX_SHRINKAGE)
