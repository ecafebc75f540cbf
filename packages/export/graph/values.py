"""Values of an ONNX graph under construction, with Python's operators, on top of spox.

spox checks types as the graph is built; it has functions, not operators.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Self, TypeAlias

import numpy as np
import spox.opset.ai.onnx.v18 as op
from spox import Tensor, Var, argument

Operand: TypeAlias = "Value | float"
Side: TypeAlias = "Value | int"


class Value:
    """A tensor of the graph. Python numbers become constants of the dtype of the other operand."""

    def __init__(self, var: Var) -> None:
        self.var = var
        self._sides: dict[int, Value] = {}  # asked for often, and each would be a node of its own

    def __bool__(self) -> bool:
        """Raise TypeError: the value is known only when the graph runs."""
        raise TypeError("a value of a graph is neither true nor false: use branch, choose or where")

    @classmethod
    def constant(cls, value: Any, dtype: Any) -> Self:
        """Return a constant."""
        return cls(op.const(np.asarray(value, dtype)))

    @classmethod
    def of_input(cls, dtype: Any, shape: Sequence[int | str | None]) -> Self:
        """Return an input of the model."""
        return cls(argument(Tensor(dtype, tuple(shape))))

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the elements."""
        return np.dtype(self.var.unwrap_tensor().dtype)

    def __add__(self, other: Operand) -> "Value":
        return Value(op.add(self.var, self._promoted(other)))

    def __radd__(self, other: Operand) -> "Value":
        return Value(op.add(self._promoted(other), self.var))

    def __sub__(self, other: Operand) -> "Value":
        return Value(op.sub(self.var, self._promoted(other)))

    def __rsub__(self, other: Operand) -> "Value":
        return Value(op.sub(self._promoted(other), self.var))

    def __mul__(self, other: Operand) -> "Value":
        return Value(op.mul(self.var, self._promoted(other)))

    def __rmul__(self, other: Operand) -> "Value":
        return Value(op.mul(self._promoted(other), self.var))

    def __truediv__(self, other: Operand) -> "Value":
        """Divide; integers are divided with rounding towards zero, as in ONNX."""
        return Value(op.div(self.var, self._promoted(other)))

    def __rtruediv__(self, other: Operand) -> "Value":
        return Value(op.div(self._promoted(other), self.var))

    def __mod__(self, other: Operand) -> "Value":
        return Value(op.mod(self.var, self._promoted(other)))

    def __pow__(self, other: Operand) -> "Value":
        return Value(op.pow(self.var, self._promoted(other)))

    def __matmul__(self, other: "Value") -> "Value":
        return Value(op.matmul(self.var, other.var))

    def __neg__(self) -> "Value":
        return Value(op.neg(self.var))

    def __abs__(self) -> "Value":
        return Value(op.abs(self.var))

    def __lt__(self, other: Operand) -> "Value":
        return Value(op.less(self.var, self._promoted(other)))

    def __le__(self, other: Operand) -> "Value":
        return Value(op.less_or_equal(self.var, self._promoted(other)))

    def __gt__(self, other: Operand) -> "Value":
        return Value(op.greater(self.var, self._promoted(other)))

    def __ge__(self, other: Operand) -> "Value":
        return Value(op.greater_or_equal(self.var, self._promoted(other)))

    def __and__(self, other: "Value") -> "Value":
        return Value(op.and_(self.var, other.var))

    def __or__(self, other: "Value") -> "Value":
        return Value(op.or_(self.var, other.var))

    def __invert__(self) -> "Value":
        return Value(op.not_(self.var))

    def equals(self, other: Operand) -> "Value":
        """Compare element by element."""
        return Value(op.equal(self.var, self._promoted(other)))

    def cast(self, dtype: Any) -> "Value":
        """Return the values as another dtype."""
        return Value(op.cast(self.var, to=dtype))

    def clip(self, least: Operand, most: Operand) -> "Value":
        """Return the values, bounded below and above."""
        return Value(op.clip(self.var, self._promoted(least), self._promoted(most)))

    def round(self) -> "Value":
        """Return the nearest integers; halves become even, as with Python's `round`."""
        return Value(op.round(self.var))

    def sqrt(self) -> "Value":
        """Return the square roots."""
        return Value(op.sqrt(self.var))

    def sin(self) -> "Value":
        """Return the sines."""
        return Value(op.sin(self.var))

    def cos(self) -> "Value":
        """Return the cosines."""
        return Value(op.cos(self.var))

    def is_finite(self) -> "Value":
        """Return for each element whether it is neither infinite nor NaN."""
        return ~(Value(op.isnan(self.var)) | Value(op.isinf(self.var)))

    def sum(self, *axes: int, keepdims: bool = False) -> "Value":
        """Return the sum over some axes, by default over all."""
        return Value(op.reduce_sum(self.var, _axes(axes), keepdims=keepdims))

    def count(self) -> "Value":
        """Return the number of true elements, int64 (); 0 if there are no elements, which old runtimes cannot sum."""
        return concatenated([self.cast(np.int64).reshape(-1), int_vector(0)]).sum()

    def mean(self, *axes: int, keepdims: bool = False) -> "Value":
        """Return the mean over some axes, by default over all."""
        return Value(op.reduce_mean(self.var, _axes(axes), keepdims=keepdims))

    def all(self) -> "Value":
        """Return whether all elements are true."""
        return (~self).count().equals(0)

    def with_batch(self) -> "Value":
        """Return the elements with a first axis of length 1."""
        return Value(op.unsqueeze(self.var, op.const([0])))

    def max(self, *axes: int) -> "Value":
        """Return the maximum over some axes, by default over all."""
        return Value(op.reduce_max(self.var, _axes(axes), keepdims=False))

    @cached_property
    def size(self) -> "Value":
        """The number of elements, int64."""
        return Value(op.size(self.var))

    def side(self, axis: int) -> "Value":
        """Return the length of an axis, int64 ()."""
        if axis not in self._sides:
            self._sides[axis] = Value(op.gather(op.shape(self.var), op.const(axis)))
        return self._sides[axis]

    def reshape(self, *shape: "int | Value") -> "Value":
        """Return the elements in another shape of numbers and values: 0 keeps a side, -1 is the rest, () a scalar."""
        return Value(op.reshape(self.var, int_vector(*shape).var))

    def like(self, other: "Value") -> "Value":
        """Return the elements in the shape of `other`."""
        return Value(op.reshape(self.var, op.shape(other.var)))

    def reversed(self, *axes: int) -> "Value":
        """Return the elements in reverse order along some axes."""
        backwards = [[-1] * len(axes), [-(2**31)] * len(axes), list(axes), [-1] * len(axes)]
        return Value(op.slice(self.var, *(int_vector(*numbers).var for numbers in backwards)))

    def padded(self, margins: Mapping[int, tuple[Side, Side]], mode: str = "constant") -> "Value":
        """Return (N, C, H, W) with further elements before and after, by axis: zeros, or as ONNX's `mode` says."""
        pairs = [margins.get(axis, (0, 0)) for axis in range(4)]
        pads = int_vector(*(before for before, _ in pairs), *(after for _, after in pairs))
        return Value(op.pad(self.var, pads.var, mode=mode))

    def transposed(self, *axes: int) -> "Value":
        """Return the elements with the axes in this order, by default in reverse order."""
        return Value(op.transpose(self.var, perm=axes or None))

    def take(self, index: "Value | int", axis: int = 0) -> "Value":
        """Return the elements at an index of an axis; the result lacks the axis if the index is a scalar."""
        return Value(op.gather(self.var, self._index(index), axis=axis))

    def slice(
        self, start: "Value | int", stop: "Value | int" = 2**31 - 1, axis: int = 0, step: "Value | int" = 1
    ) -> "Value":
        """Return the elements from `start` to before `stop`, by default to the end, along an axis."""
        vectors = (int_vector(one).var for one in (start, stop, axis, step))
        return Value(op.slice(self.var, *vectors))

    def _index(self, index: "Value | int") -> Var:
        return index.var if isinstance(index, Value) else op.const(index)

    def _promoted(self, other: Operand) -> Var:
        if isinstance(other, Value):
            return other.var
        if isinstance(other, float) and not np.issubdtype(self.dtype, np.floating):
            raise TypeError(f"{other} beside a value of {self.dtype}: cast the value first")
        return op.const(np.array(other, self.dtype))


def as_values(variables: Sequence[Var]) -> list[Value]:
    """Return values for variables of spox."""
    return [Value(variable) for variable in variables]


def int_vector(*parts: "int | Value") -> Value:
    """Return an int64 vector of numbers and scalars."""
    if all(isinstance(part, int) for part in parts):
        return Value.constant(parts, np.int64)
    vectors = [part.reshape(1) if isinstance(part, Value) else Value.constant([part], np.int64) for part in parts]
    return concatenated(vectors) if len(vectors) > 1 else vectors[0]


def concatenated(values: Sequence[Value], axis: int = 0) -> Value:
    """Return the values one after the other along an axis."""
    return Value(op.concat([value.var for value in values], axis=axis))


def where(condition: Value, positive: Value, negative: Value) -> Value:
    """Choose element by element."""
    return Value(op.where(condition.var, positive.var, negative.var))


def minimum(*values: Value) -> Value:
    """Return the smallest elements."""
    return Value(op.min([value.var for value in values]))


def maximum(*values: Value) -> Value:
    """Return the largest elements."""
    return Value(op.max([value.var for value in values]))


def arange(count: Value) -> Value:
    """Return 0, 1, …, `count` - 1, of the dtype of `count`."""
    zero, one = (op.const(np.array(number, count.dtype)) for number in (0, 1))
    return Value(op.range(zero, count.var, one))


def zeros(dtype: Any, *shape: "int | Value") -> Value:
    """Return zeros."""
    return Value(op.expand(op.const(np.zeros((), dtype)), int_vector(*shape).var))


def _axes(axes: tuple[int, ...]) -> Var | None:
    return op.const(np.array(axes, np.int64)) if axes else None
