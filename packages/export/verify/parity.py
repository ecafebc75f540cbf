"""Differences between an artifact and eager PyTorch: metrics, tolerances and report."""

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
"""Allowed ratio of the artifact's difference from float64 to that of eager float32: runtimes round differently."""


@dataclass(frozen=True)
class Comparison:
    """An array computed by an artifact, compared with eager PyTorch in float32 and float64.

    Attributes:
        quantity: "features", "gradient" or "loss".
        case: Which array, and for which image size.
        relative: Relative L2 difference from float64.
        largest: Largest absolute difference from float64.
        cosine: Cosine similarity with float64.
        eager: Relative L2 difference of eager float32 from float64.
        to_eager: Relative L2 difference from eager float32.
        bound: Largest allowed value of `relative`.
    """

    quantity: str
    case: str
    relative: float
    largest: float
    cosine: float
    eager: float
    to_eager: float
    bound: float

    @classmethod
    def of(cls, quantity: str, case: str, actual: Array, single: Array, exact: Array, *, limit: float) -> "Comparison":
        """Compare `actual` with eager float32 (`single`) and float64 (`exact`).

        The bound is `limit` or `EAGER_FACTOR` times the difference of eager float32, whichever is larger.
        """
        actual, single = np.asarray(actual, np.float64), np.asarray(single, np.float64)
        eager = relative_l2(single, exact)
        return cls(
            quantity=quantity,
            case=case,
            relative=relative_l2(actual, exact),
            largest=float(np.abs(actual - exact).max()),
            cosine=cosine(actual, exact),
            eager=eager,
            to_eager=relative_l2(actual, single),
            bound=max(limit, EAGER_FACTOR * eager),
        )

    @property
    def excess(self) -> float:
        """Ratio of the difference to its bound; not at most 1 (NaN included) means failure."""
        return self.relative / self.bound

    @property
    def passed(self) -> bool:
        """Whether the difference is within its bound."""
        return self.excess <= 1


@dataclass(frozen=True)
class ParityReport:
    """All comparisons of one artifact."""

    rows: tuple[Comparison, ...]

    @property
    def worst(self) -> Comparison:
        """The comparison with the largest excess."""
        return max(self.rows, key=lambda row: math.inf if math.isnan(row.excess) else row.excess)

    @property
    def passed(self) -> bool:
        """Whether all comparisons passed."""
        return all(row.passed for row in self.rows)

    def summary(self) -> dict[str, Any]:
        """Return the worst value of each metric by quantity, for a manifest."""
        summary: dict[str, Any] = {"against": "eager float64"}
        for quantity in dict.fromkeys(row.quantity for row in self.rows):
            rows = [row for row in self.rows if row.quantity == quantity]
            summary[quantity] = {
                "relative_l2": max(row.relative for row in rows),
                "max_abs": max(row.largest for row in rows),
                "cosine": min(row.cosine for row in rows),
                "relative_l2_of_eager_float32": max(row.eager for row in rows),
            }
        return summary

    def table(self) -> Table:
        """Return the comparisons as a table for the terminal."""
        columns = ("error", "bound", "eager float32", "to eager", "largest", "1 - cosine", "")
        table = Table("", "", *columns, title="Relative L2 errors against eager PyTorch in float64")
        for row in self.rows:
            numbers = (row.relative, row.bound, row.eager, row.to_eager, row.largest, 1 - row.cosine)
            table.add_row(
                row.quantity, row.case, *(f"{number:.1e}" for number in numbers), "ok" if row.passed else "FAILED"
            )
        return table

    def require_passed(self, path: Path) -> None:
        """Raise StyleTransferError with the worst comparison of the artifact at `path` unless all passed."""
        if not self.passed:
            worst = self.worst
            raise StyleTransferError(
                f"{path} differs too much from PyTorch: the relative L2 error of the {worst.quantity} ({worst.case}) "
                f"is {worst.relative:.1e}, and at most {worst.bound:.1e} is allowed"
            )


def relative_l2(actual: Array, expected: Array) -> float:
    """Return |actual - expected| / |expected|: 0 if both are zero, infinite or NaN for values that are not finite."""
    difference, size = np.linalg.norm(actual - expected), np.linalg.norm(expected)
    if not difference:
        return 0.0
    return float(difference / size) if size else math.inf


def cosine(actual: Array, expected: Array) -> float:
    """Return the cosine similarity of two arrays: 1 if both are zero, 0 if one of them is."""
    sizes = float(np.linalg.norm(actual) * np.linalg.norm(expected))
    if not sizes:
        return float(np.array_equal(actual, expected))
    return min(float(np.vdot(actual, expected)) / sizes, 1.0)


@contextmanager
def one_thread() -> Iterator[None]:
    """Limit PyTorch to one thread: for small images the synchronization of several takes longer than the work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
