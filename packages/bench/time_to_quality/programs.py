"""The programs that the benchmark compares: the toolkit and its baselines."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from bench.time_to_quality.baselines import prepare_adam, prepare_firekind, prepare_plain_lbfgs
from bench.time_to_quality.pastiche_baseline import prepare_pastiche
from bench.time_to_quality.task import Snapshot, Task
from bench.time_to_quality.toolkit import prepare_toolkit

TOOLKIT = "toolkit"
"""Name of the program whose time is compared with the others."""


@dataclass(frozen=True)
class Program:
    """A program that minimises the objective of a task.

    `prepare` loads the network and returns an iterator that has not started yet. Its first snapshot is the initial
    image; every `next` continues the run. It raises Unavailable if the program is not installed.
    """

    description: str
    prepare: Callable[[Task], Iterator[Snapshot]]


PROGRAMS: Mapping[str, Program] = {
    TOOLKIT: Program(
        "the toolkit's defaults: color-matched initial image, coarse to fine, projected L-BFGS", prepare_toolkit
    ),
    "pastiche": Program(
        "pastiche's own network, objective and L-BFGS loop, with the same loss weights", prepare_pastiche
    ),
    "plain-lbfgs": Program(
        "torch.optim.LBFGS from the content image, unconstrained, clamped at the end", prepare_plain_lbfgs
    ),
    "firekind": Program(
        "loop of firekind/style-transfer: L-BFGS clamped inside the closure, target Gram matrices recomputed in every "
        "evaluation, the network run to its end",
        prepare_firekind,
    ),
    "adam": Program("Adam of crowsonkb/style-transfer-pytorch at one scale, average of the iterates", prepare_adam),
}
"""All programs by name, in the order of tables and charts."""

BASELINES = tuple(name for name in PROGRAMS if name != TOOLKIT)
