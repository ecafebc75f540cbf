"""Choose the optimiser."""

from collections.abc import Iterator

from core.arrays import Array
from core.config.style_losses import style_loss_spec
from core.config.transfer_config import TransferConfig
from core.optim.adam import adam
from core.optim.lbfgs import lbfgs
from core.optim.types import Objective, Step


def minimize(
    objective: Objective, start: Array | Step, *, evaluations: int, config: TransferConfig, history: int
) -> Iterator[Step]:
    """Minimise `objective` with the optimiser of `config`, and yield every step.

    Args:
        objective: Takes the parameters that are optimised.
        start: The initial parameters, or a step of an earlier run to continue from.
        evaluations: Total number of evaluations, those of the earlier run included.
        config: The optimiser and its options.
        history: Number of curvature pairs of L-BFGS, at most that of `config`.
    """
    if config.optimizer == "lbfgs":
        return lbfgs(objective, start, evaluations=evaluations, history=history)
    return adam(
        objective,
        start,
        evaluations=evaluations,
        learning_rate=config.learning_rate,
        averaging=config.averaging,
        stochastic=style_loss_spec(config.style_loss).stochastic,
    )
