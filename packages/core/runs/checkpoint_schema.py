"""The schema of the metadata of a checkpoint: the numbers of a run and of its optimiser."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from msgspec import Meta, Struct

from core import schema

Number = Annotated[int, Meta(ge=1, le=2**53)]


class LbfgsNumbers(Struct, frozen=True, forbid_unknown_fields=True):
    """What `core.optim.curvature.LBFGSHistory.numbers` returns."""

    slots: list[schema.Count]
    StY: list[list[schema.Finite]]
    YtH0Y: list[list[schema.Finite]]

    def __post_init__(self) -> None:
        """Raise ValueError, which msgspec reports as invalid, if the slots do not fit the matrices."""
        size = len(self.StY)
        if any(len(row) != size for matrix in (self.StY, self.YtH0Y) for row in matrix) or len(self.YtH0Y) != size:
            raise ValueError("The matrices are not square")
        if sorted(self.slots) != list(range(len(self.slots))) or len(self.slots) > size:
            raise ValueError("The slots are not those of the matrices")

    @property
    def arrays(self) -> set[str]:
        """The names of the arrays of such a state."""
        return {"gradient", *(f"{name} {slot}" for name in "sy" for slot in self.slots)}


class AdamNumbers(Struct, frozen=True, forbid_unknown_fields=True):
    """The numbers of a step of `core.optim.adam`."""

    learning_rate: schema.Positive
    m_weight: schema.NonNegative
    v_weight: schema.NonNegative
    average_weight: schema.NonNegative

    arrays: ClassVar[set[str]] = {"latest", "gradient", "m", "v", "average"}


NUMBERS: Mapping[str, type[LbfgsNumbers] | type[AdamNumbers]] = {"lbfgs": LbfgsNumbers, "adam": AdamNumbers}
"""The numbers of a step by the optimizer."""


class SavedStep(Struct, frozen=True):
    """The numbers of a `core.optim.types.Step`; those of the optimiser are checked by its class."""

    evaluations: Number
    loss: schema.Finite
    parts: dict[str, schema.Finite]
    numbers: dict[str, Any]


class SavedState(Struct, frozen=True, kw_only=True):
    """What the metadata of a checkpoint holds."""

    about: dict[str, Any]
    scale: Number
    evaluations: Number
    seconds: schema.NonNegative
    losses: list[dict[str, int | schema.Finite]]
    step: SavedStep
    crc32: dict[str, int]

    def __post_init__(self) -> None:
        """Raise ValueError, which msgspec reports as invalid, if the evaluations are not those of the step."""
        if self.step.evaluations > self.evaluations:
            raise ValueError("The step has more evaluations than the run")
