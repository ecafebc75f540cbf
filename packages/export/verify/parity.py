"""Errors of an artifact against eager PyTorch: metrics, tolerances and report."""

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
"""The error of an artifact against float64 may be this many times that of eager float32: runtimes round differently."""


@dataclass(frozen=True)
class Comparison:
    """An array computed by an artifact, compared with eager PyTorch in float32 and float64.

    Attributes:
        quantity: "features", "gradient" or "loss".
        case: Which array, and for which image size.
        relative_l2: Relative L2 error against float64.
        max_abs: Largest absolute error against float64.
        cosine: Cosine similarity with float64.
        eager_relative_l2: Relative L2 error of eager float32 against float64.
        relative_l2_to_eager: Relative L2 difference from eager float32.
        limit: Allowed value of `relative_l2` unless that of eager float32 is larger.
        tolerance: Allowed value of `relative_l2`: `limit`, or `EAGER_FACTOR` times the error of eager float32 if that
            is larger.
    """

    quantity: str
    case: str
    relative_l2: float
    max_abs: float
    cosine: float
    eager_relative_l2: float
    relative_l2_to_eager: float
    limit: float
    tolerance: float

    @classmethod
    def of(cls, quantity: str, case: str, actual: Array, single: Array, exact: Array, *, limit: float) -> "Comparison":
        """Compare `actual` with eager float32 (`single`) and float64 (`exact`)."""
        actual, single = np.asarray(actual, np.float64), np.asarray(single, np.float64)
        eager = relative_l2(single, exact)
        return cls(
            quantity=quantity,
            case=case,
            relative_l2=relative_l2(actual, exact),
            max_abs=float(np.abs(actual - exact).max()),
            cosine=cosine(actual, exact),
            eager_relative_l2=eager,
            relative_l2_to_eager=relative_l2(actual, single),
            limit=limit,
            tolerance=max(limit, EAGER_FACTOR * eager),
        )

    @property
    def error_ratio(self) -> float:
        """The error divided by its tolerance: passes if at most 1; NaN fails."""
        return self.relative_l2 / self.tolerance

    @property
    def passed(self) -> bool:
        """Whether the error is within its tolerance."""
        return self.error_ratio <= 1


@dataclass(frozen=True)
class ParityReport:
    """All comparisons of one artifact."""

    rows: tuple[Comparison, ...]

    @property
    def worst(self) -> Comparison:
        """The comparison with the largest error ratio."""
        return max(self.rows, key=lambda row: math.inf if math.isnan(row.error_ratio) else row.error_ratio)

    @property
    def passed(self) -> bool:
        """Whether all comparisons passed."""
        return all(row.passed for row in self.rows)

    def summary(self) -> dict[str, Any]:
        """Return the worst value of each metric and the largest applied tolerance by quantity, for a manifest."""
        summary: dict[str, Any] = {
            "against": "eager float64",
            "tolerance": f"the limit, or {EAGER_FACTOR:g} times the error of eager float32 if that is larger",
        }
        for quantity in dict.fromkeys(row.quantity for row in self.rows):
            rows = [row for row in self.rows if row.quantity == quantity]
            summary[quantity] = {
                "relative_l2": max(row.relative_l2 for row in rows),
                "max_abs": max(row.max_abs for row in rows),
                "cosine": min(row.cosine for row in rows),
                "relative_l2_of_eager_float32": max(row.eager_relative_l2 for row in rows),
                "limit": max(row.limit for row in rows),
                "largest_tolerance": max(row.tolerance for row in rows),
            }
        return summary

    def table(self) -> Table:
        """Return the comparisons as a table for the terminal."""
        columns = ("", "", "error", "allowed", "because", "eager float32", "to eager", "max abs", "1 - cosine", "")
        table = Table(title="Relative L2 errors against eager PyTorch in float64")
        for number, column in enumerate(columns):
            table.add_column(column, no_wrap=number in (1, len(columns) - 1))  # the case, and the result
        for row in self.rows:
            errors = (row.eager_relative_l2, row.relative_l2_to_eager, row.max_abs, 1 - row.cosine)
            table.add_row(
                row.quantity,
                row.case,
                f"{row.relative_l2:.1e}",
                f"{row.tolerance:.1e}",
                "limit" if row.tolerance == row.limit else "eager",
                *(f"{error:.1e}" for error in errors),
                "ok" if row.passed else "FAILED",
            )
        return table

    def require_passed(self, path: Path) -> None:
        """Raise StyleTransferError with the worst comparison of the artifact at `path` unless all passed."""
        if not self.passed:
            worst = self.worst
            raise StyleTransferError(
                f"{path} differs too much from PyTorch: the relative L2 error of the {worst.quantity} ({worst.case}) "
                f"is {worst.relative_l2:.1e}, and at most {worst.tolerance:.1e} is allowed"
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
