"""Branches and loops of an ONNX graph under construction, whose subgraphs spox makes."""

import warnings
from collections.abc import Callable, Mapping, Sequence

import spox.opset.ai.onnx.v18 as op
from spox import Var

from export.graph.values import Value, as_values


def branch(
    condition: Value, then: Callable[[], Mapping[str, Value]], otherwise: Callable[[], Mapping[str, Value]]
) -> dict[str, Value]:
    """Compute only the values of one branch; both branches return values of the same names and dtypes.

    What differs between the shapes of the two results is unknown in the graph.
    """
    names: list[str] = []

    def run(values: Callable[[], Mapping[str, Value]]) -> Callable[[], list[Var]]:
        def variables() -> list[Var]:
            named = values()
            names[:] = names or named
            assert set(names) == set(named), set(names) ^ set(named)
            # The result of a branch must not be a value from outside it.
            return [op.identity(named[name].var) for name in names]

        return variables

    found = op.if_(condition.var, then_branch=run(then), else_branch=run(otherwise))
    return dict(zip(names, as_values(found), strict=True))


def choose(condition: Value, then: Callable[[], Value], otherwise: Callable[[], Value]) -> Value:
    """Compute only one of two values."""
    return branch(condition, lambda: {"": then()}, lambda: {"": otherwise()})[""]


def loop(
    count: Value,
    state: Mapping[str, Value],
    body: Callable[[Value, dict[str, Value]], tuple[Value, Mapping[str, Value], Sequence[Value]]],
    condition: Value | None = None,
) -> tuple[dict[str, Value], list[Value]]:
    """Repeat `body` up to `count` times while a condition holds.

    Args:
        count: Largest number of iterations, int64 ().
        state: The values that iterations pass on, by name.
        body: Takes the number of the iteration and the state; returns whether to continue, the next state, and values
            to collect.
        condition: Whether to begin.

    Returns:
        The last state, and the collected values, each with the iterations as first axis.
    """

    def iterate(number: Var, _: Var, *variables: Var) -> list[Var]:
        current = dict(zip(state, as_values(variables), strict=True))
        carry_on, following, collected = body(Value(number).reshape(), current)
        assert set(following) == set(state), set(following) ^ set(state)
        values = [carry_on.reshape(1), *(following[name] for name in state), *collected]
        return [op.identity(value.var) for value in values]

    # spox declares the number of the iteration and the condition as vectors of one element.
    begin = (Value.constant(True, bool) if condition is None else condition).reshape(1)
    with warnings.catch_warnings():
        # spox warns of values whose sides may differ from one iteration to the next.
        warnings.filterwarnings("ignore", message="Output type for variable")
        found = op.loop(count.reshape(1).var, begin.var, [value.var for value in state.values()], body=iterate)
    values = as_values(found)
    return dict(zip(state, values, strict=False)), values[len(state) :]
