"""How far an artifact is from eager PyTorch: the measures, the bounds, and the table that shows both."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.table import Table

from core.errors import StyleTransferError

Array = NDArray[np.floating[Any]]

EAGER_FACTOR = 2.0
"""An artifact may be this much farther from float64 than eager float32 is: rounding differs between runtimes."""


@dataclass(frozen=True)
class Comparison:
    """One array an artifact computed, against the same from eager PyTorch.

    `quantity` is what it is ("features", "gradient", "loss"), `where` says which one and for what image.
    `relative` is the L2 norm of the difference from float64 over the norm of that, `largest` the greatest
    absolute difference, `cosine` that of the angle between the two. `eager` is the relative difference of
    eager float32 from float64, `to_eager` that of the artifact from eager float32.
    """

    quantity: str
    where: str
    relative: float
    largest: float
    cosine: float
    eager: float
    to_eager: float
    bound: float

    @property
    def excess(self) -> float:
        """The relative difference over what is allowed: above 1 is out of bounds, and so is NaN."""
        return self.relative / self.bound

    @property
    def passed(self) -> bool:
        """Whether it is within its bound."""
        return self.excess <= 1


@dataclass(frozen=True)
class Report:
    """Everything that was compared for one artifact."""

    rows: tuple[Comparison, ...]

    @property
    def worst(self) -> Comparison:
        """The comparison that comes nearest to its bound, or goes farthest beyond."""
        return max(self.rows, key=lambda row: math.inf if math.isnan(row.excess) else row.excess)

    @property
    def passed(self) -> bool:
        """Whether all is within bounds."""
        return all(row.passed for row in self.rows)

    def figures(self) -> dict[str, Any]:
        """The worst figures of each quantity, for a manifest."""
        figures: dict[str, Any] = {"against": "eager float64"}
        for quantity in dict.fromkeys(row.quantity for row in self.rows):
            rows = [row for row in self.rows if row.quantity == quantity]
            figures[quantity] = {
                "relative_l2": max(row.relative for row in rows),
                "max_abs": max(row.largest for row in rows),
                "cosine": min(row.cosine for row in rows),
                "relative_l2_of_eager_float32": max(row.eager for row in rows),
            }
        return figures

    def table(self) -> Table:
        """The comparisons as a table for people."""
        columns = ("to float64", "bound", "eager's own", "to eager float32", "largest", "1 - cosine", "")
        table = Table("", "", *columns, title="relative L2 differences from eager PyTorch")
        for row in self.rows:
            numbers = (row.relative, row.bound, row.eager, row.to_eager, row.largest, 1 - row.cosine)
            table.add_row(
                row.quantity, row.where, *(f"{number:.1e}" for number in numbers), "ok" if row.passed else "FAILED"
            )
        return table

    def require_passed(self, path: Path) -> None:
        """Raise StyleTransferError, naming the worst figure, if anything is out of bounds."""
        if not self.passed:
            worst = self.worst
            raise StyleTransferError(
                f"{path} is out of bounds: {worst.quantity} {worst.relative:.1e} from float64 (relative L2) at "
                f"{worst.where}, where {worst.bound:.1e} is allowed"
            )


def compare(quantity: str, where: str, actual: Array, single: Array, exact: Array, *, limit: float) -> Comparison:
    """Compare what an artifact computed (`actual`) with eager float32 (`single`) and float64 (`exact`).

    It may differ from float64 by `limit`, relatively, or by a little more than eager float32 itself does.
    """
    actual, single = np.asarray(actual, np.float64), np.asarray(single, np.float64)
    eager = relative_l2(single, exact)
    return Comparison(
        quantity=quantity,
        where=where,
        relative=relative_l2(actual, exact),
        largest=float(np.abs(actual - exact).max()),
        cosine=cosine(actual, exact),
        eager=eager,
        to_eager=relative_l2(actual, single),
        bound=max(limit, EAGER_FACTOR * eager),
    )


def relative_l2(actual: Array, expected: Array) -> float:
    """|actual - expected| / |expected|: 0 if both are all zeros, infinite or NaN where a value is not finite."""
    difference, size = np.linalg.norm(actual - expected), np.linalg.norm(expected)
    if not difference:
        return 0.0
    return float(difference / size) if size else math.inf


def cosine(actual: Array, expected: Array) -> float:
    """The cosine of the angle between two arrays; 1 if both are all zeros, 0 if one is."""
    sizes = float(np.linalg.norm(actual) * np.linalg.norm(expected))
    if not sizes:
        return float(np.array_equal(actual, expected))
    return min(float(np.vdot(actual, expected)) / sizes, 1.0)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let PyTorch compute in one thread: with images this small, others would only wait, on busy cores for long."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
