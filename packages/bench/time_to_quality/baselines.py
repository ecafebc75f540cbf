"""Baselines that minimise the objective of a task with the optimiser of another program.

Each baseline has the optimiser, settings, initial image and clamping of the original, and repeats its computations in
every evaluation. Network, images and loss weights come from the task.
"""

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from bench.time_to_quality.task import Snapshot, Task, to_pixels
from core.network.vgg import VGGFeatures
from core.objective.gram import gram
from core.objective.reference import ReferenceObjective
from core.objective.types import StyleTarget, Targets
from core.optim.types import Evaluation, Objective

ADAM_RATE, ADAM_BETAS, ADAM_AVERAGING = 0.02, (0.9, 0.99), 0.99
"""Settings of crowsonkb/style-transfer-pytorch."""


def prepare_plain_lbfgs(task: Task) -> Iterator[Snapshot]:
    """Load the network for `torch.optim.LBFGS` as most repositories use it."""
    network = task.network()
    return _torch_lbfgs(task, lambda: task.objective(network), clamping=False)


def prepare_firekind(task: Task) -> Iterator[Snapshot]:
    """Load the network for `torch.optim.LBFGS` as firekind/style-transfer uses it."""
    network = task.network("relu5_4")
    return _torch_lbfgs(task, lambda: firekind_objective(task, network), clamping=True)


def firekind_objective(task: Task, network: VGGFeatures) -> Objective:
    """Return the objective of firekind/style-transfer, which recomputes the target Gram matrices in every evaluation.

    `network` continues after the last tap to relu5_4; the original runs one pooling further, to its end.
    """
    with torch.no_grad():
        content, style = network(task.tensor(task.content)), network(task.tensor(task.style))

    def evaluate(image: Tensor) -> Evaluation:
        grams = {tap: gram(style[tap]) for tap in task.loss_weights.style}
        return ReferenceObjective(network, Targets(content, (StyleTarget(grams),)), task.loss_weights)(image)

    return evaluate


def _torch_lbfgs(task: Task, prepare_objective: Callable[[], Objective], *, clamping: bool) -> Iterator[Snapshot]:
    """Yield after every step of up to 20 evaluations; `clamping` clamps the image inside the closure."""
    objective = prepare_objective()
    image = task.tensor(task.content).requires_grad_(True)
    optimizer = torch.optim.LBFGS([image], lr=1, max_iter=20, history_size=100)
    used = 0

    def closure() -> float:
        nonlocal used
        if clamping:
            image.data.clamp_(0, 1)
        evaluation = objective(image)
        image.grad = evaluation.gradient
        used += 1
        return float(evaluation.loss)

    yield Snapshot(used, partial(to_pixels, image))
    while used < task.evaluations:
        optimizer.step(closure)  # type: ignore[no-untyped-call]
        yield Snapshot(used, partial(to_pixels, image))


def prepare_adam(task: Task) -> Iterator[Snapshot]:
    """Load the network for Adam as crowsonkb/style-transfer-pytorch uses it, at one scale."""
    network = task.network()

    def run() -> Iterator[Snapshot]:
        objective = task.objective(network)
        image = task.tensor(task.content).requires_grad_(True)
        optimizer = torch.optim.Adam([image], lr=ADAM_RATE, betas=ADAM_BETAS)
        average = torch.zeros_like(image.data)
        yield Snapshot(0, partial(to_pixels, image))
        for used in range(1, task.evaluations + 1):
            image.grad = objective(image).gradient
            optimizer.step()
            average.lerp_(image.data.clamp_(0, 1), 1 - ADAM_AVERAGING)
            yield Snapshot(used, partial(to_pixels, average / (1 - ADAM_AVERAGING**used)))

    return run()
