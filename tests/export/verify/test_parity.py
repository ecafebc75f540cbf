"""Metrics against their definitions, and reports of them."""

import io
import math
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from core.errors import StyleTransferError
from export.verify.parity import EAGER_FACTOR, Comparison, ParityReport, cosine, relative_l2

FOUR_THREE = np.array([4.0, 3.0])


def test_relative_l2_is_the_ratio_of_norms() -> None:
    assert relative_l2(np.array([4.0, 3.5]), FOUR_THREE) == pytest.approx(0.1)
    assert relative_l2(FOUR_THREE, FOUR_THREE) == 0


def test_metrics_of_zero_arrays() -> None:
    zeros = np.zeros(3)
    assert relative_l2(zeros, zeros) == 0
    assert relative_l2(np.ones(3), zeros) == math.inf
    assert (cosine(zeros, zeros), cosine(np.ones(3), zeros)) == (1, 0)


def test_cosine_is_that_of_the_angle() -> None:
    assert cosine(np.array([3.0, -4.0]), FOUR_THREE) == pytest.approx(0)
    assert cosine(2 * FOUR_THREE, FOUR_THREE) == pytest.approx(1)
    assert cosine(-FOUR_THREE, FOUR_THREE) == pytest.approx(-1)


def comparison(actual: list[float], single: list[float], limit: float = 1e-3) -> Comparison:
    return Comparison.of("features", "relu1_1", np.array(actual, np.float32), np.array(single), FOUR_THREE, limit=limit)


def test_comparison_computes_each_metric() -> None:
    row = comparison([4.0, 3.5], [4.0, 2.75])
    assert row.relative_l2 == pytest.approx(0.1)
    assert row.max_abs == pytest.approx(0.5)
    assert row.eager_relative_l2 == pytest.approx(0.05)
    assert row.relative_l2_to_eager == pytest.approx(0.75 / math.hypot(4, 2.75))


def test_bound_grows_with_the_error_of_eager_float32() -> None:
    assert comparison([4.0, 3.0], [4.0, 3.0]).tolerance == comparison([4.0, 3.0], [4.0, 3.5]).limit == 1e-3
    assert comparison([4.0, 3.0], [4.0, 3.5]).tolerance == pytest.approx(0.1 * EAGER_FACTOR)
    assert comparison([4.0, 3.5], [4.0, 3.5]).passed
    assert not comparison([4.0, 3.5], [4.0, 3.0]).passed


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_values_that_are_not_finite_never_pass_and_are_the_worst(value: float) -> None:
    broken, good = comparison([value, 3.0], [4.0, 3.0]), comparison([4.0, 4.0], [4.0, 3.0])
    report = ParityReport((good, broken, good))
    assert not broken.passed
    assert report.worst is broken


def test_summary_contains_the_worst_of_each_quantity() -> None:
    rows = [comparison([4.0, 3.0 + error], [4.0, 3.0]) for error in (1e-4, 3e-3, 1e-3)]
    gradient = Comparison.of("gradient", "all", FOUR_THREE, FOUR_THREE, FOUR_THREE, limit=1e-3)
    report = ParityReport((*rows, gradient))
    summary = report.summary()
    assert report.passed
    assert report.worst is rows[1]
    assert summary["features"]["relative_l2"] == rows[1].relative_l2
    assert summary["features"]["max_abs"] == pytest.approx(3e-3, rel=1e-4)
    assert summary["gradient"]["relative_l2"] == 0
    assert summary["features"]["limit"] == summary["features"]["largest_tolerance"] == 1e-3


def test_summary_contains_the_largest_tolerance_that_was_applied() -> None:
    summary = ParityReport((comparison([4.0, 3.0], [4.0, 3.0]), comparison([4.0, 3.0], [4.0, 3.5]))).summary()
    assert summary["features"]["limit"] == 1e-3
    assert summary["features"]["largest_tolerance"] == pytest.approx(0.1 * EAGER_FACTOR)


def test_require_passed_raises_with_the_worst_comparison() -> None:
    report = ParityReport((comparison([4.0, 3.01], [4.0, 3.0]), comparison([4.0, 3.5], [4.0, 3.0])))
    with pytest.raises(StyleTransferError) as caught:
        report.require_passed(Path("e.onnx"))
    assert str(caught.value) == (
        "e.onnx differs too much from PyTorch: the relative L2 error of the features (relu1_1) is 1.0e-01, "
        "and at most 1.0e-03 is allowed"
    )
    assert caught.value.exit_status == 1


def test_table_marks_failed_rows() -> None:
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(ParityReport((comparison([4.0, 3.0], [4.0, 3.0]), comparison([4.0, 3.5], [4.0, 3.0]))).table())
    rows = [line for line in console.export_text().splitlines() if "relu1_1" in line]
    assert [("ok" in row, "FAILED" in row) for row in rows] == [(True, False), (False, True)]
