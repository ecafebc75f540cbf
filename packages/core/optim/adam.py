"""Adam with the image clipped to the box [0, 1] (Kingma and Ba, arXiv 1412.6980)."""

from collections.abc import Iterator
from dataclasses import replace

from core.arrays import Array
from core.optim.types import Objective, Step, _evaluate_start, _is_finite


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
