"""Workload of the suite `optimizer`: one step with a full history and an objective that costs next to nothing."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.suites.cases import CONFIG, Case, Unavailable, Workload
from core.errors import StyleTransferError
from core.optim import lbfgs_cuda
from core.optim.adam import adam
from core.optim.lbfgs import lbfgs
from core.optim.types import Evaluation, Step

OPTIMIZERS: Mapping[str, Callable[..., Iterator[Step]]] = {
    "lbfgs-torch": lbfgs,
    "lbfgs-numpy": lbfgs,
    "lbfgs_cuda-torch": lbfgs_cuda.lbfgs,
    "adam-torch": adam,
}
"""Optimisers by name and array library. "lbfgs_cuda" keeps the loss on the device."""


def optimizer_workload(case: Case, artifacts: Path) -> Workload:
    """Prepare one step of `case.backend` on a diagonal quadratic, after enough steps to fill the history."""
    optimizer, _, library = case.backend.partition("-")
    if library == "numpy" and case.device != "cpu":
        raise Unavailable("NumPy computes on the CPU only")
    shape = (1, 3, case.height, case.width)
    generator = np.random.default_rng(0)
    # The condition number of 1e6 keeps the run far from convergence while it is measured.
    weights = np.float32(10) ** generator.uniform(-3, 3, shape).astype(np.float32)
    arrays: list[Any] = [weights, *(generator.random(shape, dtype=np.float32) for _ in range(2))]
    if library == "torch":
        arrays = [torch.from_numpy(array).to(case.device) for array in arrays]
    weights, target, start = arrays

    def objective(image: Any) -> Evaluation:
        difference = image - target
        gradient = weights * difference
        loss = (gradient * difference).sum() / 2
        return Evaluation(loss if optimizer == "lbfgs_cuda" else float(loss), gradient, {})

    steps = OPTIMIZERS[case.backend](objective, start, evaluations=10**9)
    losses = [next(steps).loss for _ in range(CONFIG.history + 2)]

    def check(step: Any) -> None:
        if not step.loss <= losses[-1] < losses[0]:
            raise StyleTransferError(
                f"{case.backend} failed the correctness check (loss {losses[0]:g} became {step.loss:g}); not timed"
            )

    return Workload(lambda: next(steps), check)
