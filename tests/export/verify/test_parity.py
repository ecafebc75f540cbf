"""The measures against their definitions, and what a report makes of them."""

import io
import math
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from core.errors import StyleTransferError
from export.verify.parity import EAGER_FACTOR, Comparison, Report, compare, cosine, relative_l2

FOUR_THREE = np.array([4.0, 3.0])


def test_the_relative_difference_is_that_of_the_lengths() -> None:
    assert relative_l2(np.array([4.0, 3.5]), FOUR_THREE) == pytest.approx(0.1)
    assert relative_l2(FOUR_THREE, FOUR_THREE) == 0


def test_zeros_differ_from_nothing_but_themselves() -> None:
    zeros = np.zeros(3)
    assert relative_l2(zeros, zeros) == 0
    assert relative_l2(np.ones(3), zeros) == math.inf
    assert (cosine(zeros, zeros), cosine(np.ones(3), zeros)) == (1, 0)


def test_the_cosine_is_that_of_the_angle() -> None:
    assert cosine(np.array([3.0, -4.0]), FOUR_THREE) == pytest.approx(0)
    assert cosine(2 * FOUR_THREE, FOUR_THREE) == pytest.approx(1)
    assert cosine(-FOUR_THREE, FOUR_THREE) == pytest.approx(-1)


def comparison(actual: list[float], single: list[float], limit: float = 1e-3) -> Comparison:
    return compare("features", "relu1_1", np.array(actual, np.float32), np.array(single), FOUR_THREE, limit=limit)


def test_the_figures_are_those_of_the_three_arrays() -> None:
    row = comparison([4.0, 3.5], [4.0, 2.75])
    assert row.relative == pytest.approx(0.1)
    assert row.largest == pytest.approx(0.5)
    assert row.eager == pytest.approx(0.05)
    assert row.to_eager == pytest.approx(0.75 / math.hypot(4, 2.75))


def test_what_eager_float32_misses_an_artifact_may_miss_too() -> None:
    assert comparison([4.0, 3.0], [4.0, 3.0]).bound == 1e-3
    assert comparison([4.0, 3.0], [4.0, 3.5]).bound == pytest.approx(0.1 * EAGER_FACTOR)
    assert comparison([4.0, 3.5], [4.0, 3.5]).passed
    assert not comparison([4.0, 3.5], [4.0, 3.0]).passed


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_never_passes_and_is_the_worst(value: float) -> None:
    broken, good = comparison([value, 3.0], [4.0, 3.0]), comparison([4.0, 4.0], [4.0, 3.0])
    report = Report((good, broken, good))
    assert not broken.passed
    assert report.worst is broken


def test_a_report_holds_the_worst_of_every_quantity() -> None:
    rows = [comparison([4.0, 3.0 + error], [4.0, 3.0]) for error in (1e-4, 3e-3, 1e-3)]
    gradient = compare("gradient", "all", FOUR_THREE, FOUR_THREE, FOUR_THREE, limit=1e-3)
    report = Report((*rows, gradient))
    figures = report.figures()
    assert report.passed
    assert report.worst is rows[1]
    assert figures["features"]["relative_l2"] == rows[1].relative
    assert figures["features"]["max_abs"] == pytest.approx(3e-3, rel=1e-4)
    assert figures["gradient"]["relative_l2"] == 0


def test_out_of_bounds_is_a_sentence_with_the_worst_figure() -> None:
    report = Report((comparison([4.0, 3.01], [4.0, 3.0]), comparison([4.0, 3.5], [4.0, 3.0])))
    with pytest.raises(StyleTransferError) as caught:
        report.require_passed(Path("e.onnx"))
    assert str(caught.value) == (
        "e.onnx is out of bounds: features 1.0e-01 from float64 (relative L2) at relu1_1, where 1.0e-03 is allowed"
    )
    assert caught.value.exit_status == 1


def test_the_table_says_which_row_failed() -> None:
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(Report((comparison([4.0, 3.0], [4.0, 3.0]), comparison([4.0, 3.5], [4.0, 3.0]))).table())
    rows = [line for line in console.export_text().splitlines() if "relu1_1" in line]
    assert [("ok" in row, "FAILED" in row) for row in rows] == [(True, False), (False, True)]
