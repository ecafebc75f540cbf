"""Projected L-BFGS for images whose values are bounded by [0, 1].

The code uses only arithmetic, comparisons, `.sum()` and `.clip()`, so that it works on NumPy arrays and torch tensors.
"""

import math
from collections.abc import Iterator

from core.arrays import Array
from core.optim.constants import LBFGS
from core.optim.curvature import LBFGSHistory
from core.optim.types import Evaluation, Objective, Step, evaluate_start, is_finite, root_mean_square


def lbfgs(objective: Objective, start: Array | Step, *, evaluations: int, history: int = 20) -> Iterator[Step]:
    """Minimise with quasi-Newton steps in the free set, projected onto [0, 1].

    Values at a bound whose negative gradient does not point into [0, 1] form the active set and stay fixed. L-BFGS
    (Nocedal and Wright, Numerical Optimization, algorithm 7.5) runs on the other values, with a backtracking line
    search along the projected path (Bertsekas 1982, Projected Newton methods) that accepts only a step that satisfies
    the Armijo condition and lowers the loss, so that the last image is always the best one. If no step size along a
    direction is accepted, the history is cleared and the next direction is the negative gradient; if none is accepted
    along that either, the iteration ends.

    Args:
        objective: Returns loss and gradient of an image.
        start: The initial image, (1, 3, H, W), or a step of an earlier run. A run from a step yields this step first
            and then the steps that followed it in the earlier run, bit for bit.
        evaluations: Total number of evaluations, those before `start` included.
        history: Number of curvature pairs.

    Yields:
        The initial image and every accepted step.

    Raises:
        StyleTransferError: The loss or the gradient at the initial image is not finite.
    """
    pairs = LBFGSHistory(history)
    if isinstance(start, Step):
        used, image, arrays, numbers = start.evaluations, start.image, dict(start.arrays), start.numbers
        current = Evaluation(start.loss, arrays["gradient"], start.parts)
        del start  # releases its arrays as `restore` copies them one by one
        pairs.restore(arrays, numbers)
    else:
        used, image = 1, start.clip(0, 1)
        current = evaluate_start(objective, image)
        del start
    yield _step(used, image, current, pairs)
    while used < evaluations:
        free = free_mask(image, current.gradient)
        direction = -pairs.inverse_hessian_product(current.gradient * free, free)
        step_size = 1.0 if pairs else LBFGS.initial_step_rms / max(root_mean_square(direction), LBFGS.min_rms)
        for _ in range(min(LBFGS.max_backtracks, evaluations - used)):
            candidate = (image + step_size * direction).clip(0, 1)
            s = candidate - image
            slope_on_device = (current.gradient * s).sum()
            new = objective(candidate)
            slope = float(slope_on_device)  # read after the evaluation was queued: on CUDA reading synchronises
            used += 1
            bound = current.loss + LBFGS.sufficient_decrease * slope
            if is_finite(new) and new.loss < current.loss and new.loss <= bound:
                break
            step_size *= quadratic_interpolation_factor(current.loss, new.loss, slope)
        else:
            if not pairs:
                return
            pairs.clear()
            continue
        pairs.add(s, new.gradient - current.gradient)
        image, current = candidate, new
        yield _step(used, image, current, pairs)


def free_mask(image: Array, gradient: Array) -> Array:
    """Return the free set as a mask: all values but those at a bound whose negative gradient does not point inside."""
    return ((image > 0) | (gradient < 0)) & ((image < 1) | (gradient > 0))


def quadratic_interpolation_factor(loss: float, new_loss: float, slope: float) -> float:
    """Return the factor on the size of a rejected step (Nocedal and Wright, section 3.5).

    The factor minimises the parabola p with p(0) = `loss`, p'(0) = `slope` and p(1) = `new_loss`,
    -slope / (2 * (new_loss - loss - slope)), clamped to [min_shrinkage, max_shrinkage].
    """
    curvature = new_loss - loss - slope
    if not math.isfinite(curvature) or curvature <= 0:
        return LBFGS.min_shrinkage
    return min(max(-slope / (2 * curvature), LBFGS.min_shrinkage), LBFGS.max_shrinkage)


def _step(used: int, image: Array, current: Evaluation, pairs: LBFGSHistory) -> Step:
    arrays = {"gradient": current.gradient, **pairs.arrays()}
    return Step(used, image, current.loss, current.parts, arrays, pairs.numbers())
