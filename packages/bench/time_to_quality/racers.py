"""The programs of a race: configurations of the toolkit, and NNST."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from bench.quality.programs import Configuration, check_names, read_configurations
from bench.time_to_quality.nnst import count_evaluations, prepare_nnst
from bench.time_to_quality.task import Snapshot
from bench.time_to_quality.toolkit import prepare_run
from core.arrays import Pixels
from core.errors import UsageError

NNST = "nnst"

RIVALS = ("johnson", "crowson", NNST)
"""The best known programs, each with its settings and at its full length."""


@dataclass(frozen=True)
class Racer:
    """A program of a race.

    Attributes:
        name: Its name.
        settings: Its options, for the results.
        evaluations: Evaluations of the whole run.
        device: Where it computes, as for `TransferConfig.device`.
        prepare: Function that takes the content image of the final size and the style image, and returns a run that has
            not started yet.
    """

    name: str
    settings: Mapping[str, Any]
    evaluations: int
    device: Literal["auto", "cpu", "cuda", "mps"]
    prepare: Callable[[Pixels, Pixels], Iterator[Snapshot]]


def read_racers(values: Sequence[str], size: int) -> list[Racer]:
    """Return the racers of these values: "nnst", or a configuration as for `bench.quality.programs`.

    Raises:
        UsageError: A value is none of these, a name is used twice, or an option excludes a race.
    """
    racers = [_nnst(size) if value == NNST else _configured(*read_configurations([value], size)) for value in values]
    check_names([racer.name for racer in racers])
    return racers


def _nnst(size: int) -> Racer:
    return Racer(NNST, {"program": NNST, "image_size": size}, count_evaluations(size), "auto", prepare_nnst)


def _configured(configuration: Configuration) -> Racer:
    config = configuration.config
    if config.painter:
        raise UsageError(f"{configuration.name} has --painter {config.painter}: race without this option")
    prepare = partial(prepare_run, config=config)
    return Racer(configuration.name, config.to_dict(), config.iterations, config.device, prepare)
