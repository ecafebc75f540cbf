"""Values of a graph compute what NumPy computes."""

import numpy as np
import pytest

from export.graph.values import Value, arange, concatenated, int_vector, maximum, minimum, where, zeros
from support.graphs import computed

X = np.array([[-1.5, 0.0, 2.0], [3.0, -4.0, 0.5]], np.float32)


def test_operators_equal_those_of_numpy() -> None:
    def build(x: Value) -> Value:
        return (2 - x) * (x + 1) / 4 + (1 / (x * x + 1)) ** 0.5 - abs(-x) * 3.0

    expected = (2 - X) * (X + 1) / 4 + (1 / (X * X + 1)) ** 0.5 - abs(-X) * 3
    np.testing.assert_allclose(computed(build, X), expected, rtol=1e-6)


@pytest.mark.parametrize("axis", [0, 1])
def test_reductions_and_elements_equal_those_of_numpy(axis: int) -> None:
    found = computed(
        lambda x: {
            "sum": x.sum(axis), "mean": x.mean(axis, keepdims=True), "max": x.max(axis),
            "first": x.take(0, axis), "reversed": x.reversed(axis), "size": x.size,
            "side": x.side(axis), "flat": x.transposed().reshape(-1), "product": x @ x.transposed(),
        },
        X,
    )  # fmt: skip
    expected = {
        "sum": X.sum(axis), "mean": X.mean(axis, keepdims=True), "max": X.max(axis),
        "first": X.take(0, axis), "reversed": np.flip(X, axis), "size": 6, "side": X.shape[axis],
        "flat": X.T.ravel(), "product": X @ X.T,
    }  # fmt: skip
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-6, err_msg=name)


def test_comparisons_choose_elements() -> None:
    def build(x: Value) -> Value:
        inside = (x > -2) & (x <= 2) & ~x.equals(0) | (x >= 3)
        return where(inside, maximum(x, x * 0 + 1), minimum(x, x * 0 - 1)).clip(-3, 2.5)

    inside = ((X > -2) & (X <= 2) & (X != 0)) | (X >= 3)
    expected = np.where(inside, np.maximum(X, 1), np.minimum(X, -1)).clip(-3, 2.5)
    np.testing.assert_array_equal(computed(build, X), expected)


def test_halves_are_rounded_as_in_python() -> None:
    halves = np.array([0.5, 1.5, 2.5, -0.5], np.float32)
    np.testing.assert_array_equal(computed(lambda x: x.round(), halves), [round(float(half)) for half in halves])


def test_vectors_of_numbers_and_values() -> None:
    def build(count: Value) -> Value:
        return concatenated([arange(count), int_vector(7, count), zeros(np.int64, count)])

    np.testing.assert_array_equal(computed(build, np.int64(3)), [0, 1, 2, 7, 3, 0, 0, 0])


def test_a_value_is_neither_true_nor_a_fraction_beside_integers() -> None:
    value = Value.constant(1, np.int64)
    with pytest.raises(TypeError, match="neither true nor false"):
        assert value
    with pytest.raises(TypeError, match=r"^0\.5 beside a value of int64: cast the value first$"):
        _ = value + 0.5
