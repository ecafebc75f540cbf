"""Adam (Kingma and Ba, arXiv 1412.6980) for images whose values are bounded by [0, 1]."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, cast

from core.arrays import Array
from core.optim.types import Evaluation, Objective, Step, StochasticObjective, evaluate_start, is_finite

M_DECAY, M_GROWTH = 0.9, 0.1
"""beta1 and 1 - beta1, written out because the float 1 - 0.9 is not the float 0.1."""

V_DECAY, V_GROWTH = 0.99, 0.01
"""beta2 and 1 - beta2: an average over about 100 steps. Kingma and Ba use 0.999, an average over about 1000."""

EPSILON = 1e-8


def adam(
    objective: Objective,
    start: Array | Step,
    *,
    evaluations: int,
    learning_rate: float = 0.02,
    averaging: float = 0.0,
    stochastic: bool = False,
) -> Iterator[Step]:
    """Minimise with Adam, clipping the image to [0, 1] after every update.

    The image of a step is the one with the lowest loss so far. After an evaluation that is not finite the iteration
    returns to this image with half the learning rate and without momentum.

    Args:
        objective: Returns loss and gradient of an image; a `StochasticObjective` if `stochastic`.
        start: The initial image, (1, 3, H, W), or a step of an earlier run. A run from a step yields this step first
            and then the steps that followed it in the earlier run, bit for bit.
        evaluations: Total number of evaluations, those before `start` included.
        learning_rate: Step size alpha.
        averaging: Decay in (0, 1) of an exponential moving average of the images (Kingma and Ba, section 7.2), with
            bias correction. The last evaluation is made at this average. 0 turns averaging off.
        stochastic: Evaluation number n is made with `objective.at_step(n)`, and the image of a step is the latest one:
            losses of different samples cannot be compared.

    Yields:
        The state after every evaluation.

    Raises:
        StyleTransferError: The loss or the gradient is not finite at the initial image, or at the image to which the
            iteration returns.
    """

    def objective_at(evaluation: int) -> Objective:
        return cast("StochasticObjective", objective).at_step(evaluation) if stochastic else objective

    step = start if isinstance(start, Step) else _first_step(objective_at(1), start.clip(0, 1), learning_rate)
    del start
    state = _State.of(step)
    yield step
    for used in range(step.evaluations + 1, evaluations + 1):
        state.update()
        if averaging:
            state.update_average(averaging)
            if used == evaluations:
                state.latest = state.average / state.average_weight
        current = objective_at(used)(state.latest)
        if not is_finite(current):
            current = state.restart(objective_at(used), step.image, used)
        state.gradient = current.gradient
        if stochastic or current.loss <= step.loss:
            step = Step(used, state.latest, current.loss, current.parts)
        step = state.add_to(replace(step, evaluations=used))
        yield step


@dataclass
class _State:
    """The latest image and its gradient, and weighted sums with the sums of their weights."""

    latest: Array
    gradient: Array
    m: Array
    v: Array
    average: Array
    learning_rate: float
    m_weight: float = 0.0
    v_weight: float = 0.0
    average_weight: float = 0.0

    @classmethod
    def of(cls, step: Step) -> "_State":
        return cls(**step.arrays, **step.numbers)

    def add_to(self, step: Step) -> Step:
        arrays: dict[str, Array] = {name: getattr(self, name) for name in ("latest", "gradient", "m", "v", "average")}
        names = ("learning_rate", "m_weight", "v_weight", "average_weight")
        numbers: dict[str, Any] = {name: getattr(self, name) for name in names}
        return replace(step, arrays=arrays, numbers=numbers)

    def update(self) -> None:
        """Kingma and Ba, algorithm 1; `m_weight` is 1 - beta1^t and `v_weight` 1 - beta2^t."""
        self.m, self.m_weight = M_DECAY * self.m + M_GROWTH * self.gradient, M_DECAY * self.m_weight + M_GROWTH
        self.v, self.v_weight = V_DECAY * self.v + V_GROWTH * self.gradient**2, V_DECAY * self.v_weight + V_GROWTH
        step = self.learning_rate * (self.m / self.m_weight) / ((self.v / self.v_weight) ** 0.5 + EPSILON)
        self.latest = (self.latest - step).clip(0, 1)

    def update_average(self, decay: float) -> None:
        self.average = decay * self.average + (1 - decay) * self.latest
        self.average_weight = decay * self.average_weight + (1 - decay)

    def restart(self, objective: Objective, image: Array, evaluation: int) -> Evaluation:
        """Return to `image` with half the learning rate and without momentum, and evaluate there."""
        self.latest, self.learning_rate = image, self.learning_rate / 2
        self.m = self.v = image * 0
        self.m_weight = self.v_weight = 0.0
        return evaluate_start(objective, image, f"the best image, evaluation {evaluation},")


def _first_step(objective: Objective, image: Array, learning_rate: float) -> Step:
    evaluation, zero = evaluate_start(objective, image), image * 0
    state = _State(image, evaluation.gradient, zero, zero, zero, learning_rate)
    return state.add_to(Step(1, image, evaluation.loss, evaluation.parts))
