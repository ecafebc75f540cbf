"""Ours and its peers: ways of minimising one and the same objective, each from its own start, step by step.

What a peer does is kept where it decides how fast it gets where: its optimiser with its settings, its start, what
it computes in every evaluation, when it clamps. Network, pictures and weights of the losses are the same for all.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from core.objective.losses import gram
from core.objective.objective import ReferenceObjective, StyleTarget, Targets
from torch import Tensor

from bench.race.pastiche_peer import prepare_pastiche
from bench.race.task import Snapshot, Task, to_pixels
from core.arrays import Pixels, Size
from core.backends.base import default_backend
from core.image.resize import resize
from core.multiscale.schedule import build_schedule
from core.network.vgg import VGGFeatures
from core.optim.types import Evaluation, Objective
from core.runs.progress import Progress
from core.style_transfer import paint

OURS = "ours"
"""The name of the contender that the others are compared with."""

ADAM_RATE, ADAM_BETAS, ADAM_AVERAGING = 0.02, (0.9, 0.99), 0.99
"""The settings of crowsonkb/style-transfer-pytorch."""


@dataclass(frozen=True)
class Contender:
    """A way of minimising the objective.

    `prepare` loads the network and returns the work, which has yet to begin: it yields its start first, and goes
    on at every `next`. It raises Unavailable where the contender is not installed.
    """

    description: str
    prepare: Callable[[Task], Iterator[Snapshot]]


# --- Ours


def _ours(task: Task) -> Iterator[Snapshot]:
    backend = default_backend(task.config)
    scales = build_schedule(_size(task.content), [_size(task.style)], task.config)
    steps = paint(task.content, task.style, scales, backend, task.config)
    return (Snapshot(step.evaluations, partial(_enlarged, step, scales[-1].size)) for step in steps)


def _enlarged(progress: Progress, size: Size) -> Pixels:
    """What a user gets who ends the run here."""
    return resize(progress.pixels, size)


# --- torch.optim.LBFGS, as most repositories and firekind/style-transfer use it


def _plain(task: Task) -> Iterator[Snapshot]:
    network = task.network()
    return _torch_lbfgs(task, lambda: task.objective(network), clamping=False)


def _seed(task: Task) -> Iterator[Snapshot]:
    network = task.network("relu5_4")
    return _torch_lbfgs(task, lambda: seed_objective(task, network), clamping=True)


def seed_objective(task: Task, network: VGGFeatures) -> Objective:
    """The objective as firekind/style-transfer computes it: the target's Gram matrices anew in every evaluation.

    `network` goes on past the last tap, to relu5_4: there it runs to its end, a pooling later.
    """
    with torch.no_grad():
        content, style = network(task.tensor(task.content)), network(task.tensor(task.style))

    def evaluate(image: Tensor) -> Evaluation:
        grams = {tap: gram(style[tap]) for tap in task.terms.style}
        return ReferenceObjective(network, Targets(content, (StyleTarget(grams),)), task.terms)(image)

    return evaluate


def _torch_lbfgs(task: Task, targeted: Callable[[], Objective], *, clamping: bool) -> Iterator[Snapshot]:
    """Steps of up to 20 evaluations from the content; `clamping` changes the image inside the closure."""
    objective = targeted()
    image = task.tensor(task.content).requires_grad_(True)
    optimiser = torch.optim.LBFGS([image], lr=1, max_iter=20, history_size=100)
    used = 0

    def closure() -> float:
        nonlocal used
        if clamping:
            image.data.clamp_(0, 1)
        here = objective(image)
        image.grad = here.gradient
        used += 1
        return float(here.loss)

    yield Snapshot(used, partial(to_pixels, image))
    while used < task.evaluations:
        optimiser.step(closure)  # type: ignore[no-untyped-call]
        yield Snapshot(used, partial(to_pixels, image))


# --- Adam, as crowsonkb/style-transfer-pytorch uses it, at one scale


def _adam(task: Task) -> Iterator[Snapshot]:
    network = task.network()

    def work() -> Iterator[Snapshot]:
        objective = task.objective(network)
        image = task.tensor(task.content).requires_grad_(True)
        optimiser = torch.optim.Adam([image], lr=ADAM_RATE, betas=ADAM_BETAS)
        average = torch.zeros_like(image.data)
        yield Snapshot(0, partial(to_pixels, image))
        for used in range(1, task.evaluations + 1):
            image.grad = objective(image).gradient
            optimiser.step()
            average.lerp_(image.data.clamp_(0, 1), 1 - ADAM_AVERAGING)
            yield Snapshot(used, partial(to_pixels, average / (1 - ADAM_AVERAGING**used)))

    return work()


def _size(pixels: Pixels) -> Size:
    return pixels.shape[3], pixels.shape[2]


CONTENDERS: Mapping[str, Contender] = {
    OURS: Contender("the toolkit's defaults: matched start, from coarse to fine, projected L-BFGS", _ours),
    "pastiche": Contender("pastiche's own network, objective and L-BFGS loop, with the same weights", prepare_pastiche),
    "plain": Contender("torch.optim.LBFGS from the content, unconstrained, clamped at the end", _plain),
    "seed": Contender(
        "firekind/style-transfer's loop: L-BFGS clamped inside the closure, target Grams computed every time, "
        "the network run to its end",
        _seed,
    ),
    "adam": Contender("crowsonkb/style-transfer-pytorch's Adam at one scale, its average of the pictures", _adam),
}
"""All contenders, by name, in the order in which they are shown."""
