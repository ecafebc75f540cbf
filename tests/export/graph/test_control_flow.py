"""Control flow computes one branch and the right iterations."""

import numpy as np
import pytest

from export.graph.control_flow import branch, choose, loop
from export.graph.values import Value
from support.graphs import computed

X = np.array([[-1.5, 0.0, 2.0], [3.0, -4.0, 0.5]], np.float32)


@pytest.mark.parametrize("positive", [True, False])
def test_branches_may_return_other_shapes(positive: bool) -> None:
    def build(condition: Value, x: Value) -> Value:
        return choose(condition, lambda: x * 2, lambda: x.slice(0, 1))

    expected = X * 2 if positive else X[:1]
    np.testing.assert_array_equal(computed(build, np.bool_(positive), X), expected)


def test_branches_of_other_names_are_refused() -> None:
    one = Value.constant(1, np.float32)
    with pytest.raises(AssertionError, match="b"):
        branch(one > 0, lambda: {"a": one}, lambda: {"b": one})


@pytest.mark.parametrize(("limit", "count"), [(100, 5), (7, 3), (0, 0)])
def test_loop_ends_at_its_count_or_when_the_condition_fails(limit: int, count: int) -> None:
    """The sum of 0, 1, 2, … until it exceeds 5, or for `count` iterations."""

    def build(limit: Value, x: Value) -> dict[str, Value]:
        def body(number: Value, state: dict[str, Value]) -> tuple[Value, dict[str, Value], list[Value]]:
            total = state["total"] + number.cast(np.float32)
            return total <= 5, {"total": total}, [number * 10]

        state, (collected,) = loop(limit, {"total": x}, body)
        return {**state, "collected": collected}

    found = computed(build, np.int64(min(limit, count)), np.float32(0))
    numbers = [0, 1, 2, 3][: min(limit, count)]
    assert found["total"] == sum(numbers)
    np.testing.assert_array_equal(found["collected"], [10 * number for number in numbers])


def test_a_loop_that_returns_another_state_is_refused() -> None:
    one = Value.constant(1, np.int64)
    with pytest.raises(AssertionError, match="b"):
        loop(one, {"a": one}, lambda number, state: (number < 1, {**state, "b": number}, []))
