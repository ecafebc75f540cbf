"""The state of a painter as one vector, so that a host can store it without knowing what is in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from export.graph.values import Value, concatenated

Shape = tuple[int | Value, ...]


@dataclass(frozen=True)
class StateLayout:
    """The order of the values in the vector, float32: a header, counters, numbers, arrays.

    Attributes:
        header: Names of the numbers that identify the run: a state belongs to one pair of images and their settings.
        counters: Names of scalars that are integers in the graph, smaller than 2^24.
        numbers: Names of scalars that are float32 in the graph.
        arrays: Names of the arrays.
    """

    header: tuple[str, ...]
    counters: tuple[str, ...]
    numbers: tuple[str, ...]
    arrays: tuple[str, ...]

    @property
    def scalars(self) -> tuple[str, ...]:
        """All names before the arrays."""
        return (*self.header, *self.counters, *self.numbers)

    def pack(self, values: Mapping[str, Value]) -> Value:
        """Return the vector of all values."""
        return concatenated([values[name].cast(np.float32).reshape(-1) for name in (*self.scalars, *self.arrays)])

    def scalar(self, vector: Value, name: str) -> Value:
        """Return one scalar of a vector that contains at least all scalars."""
        value = vector.take(self.scalars.index(name))
        return value.cast(np.int64) if name in self.counters else value

    def array(self, vector: Value, name: str, shapes: Mapping[str, Shape]) -> Value:
        """Return one array of a vector, given the shapes of all."""
        start: Value | int = len(self.scalars)
        for other in self.arrays[: self.arrays.index(name)]:
            start = start + _size(shapes[other])
        return vector.slice(start, start + _size(shapes[name])).reshape(*shapes[name])

    def unpack(self, vector: Value, shapes: Mapping[str, Shape]) -> dict[str, Value]:
        """Return all counters, numbers and arrays of a vector, by name."""
        scalars = {name: self.scalar(vector, name) for name in (*self.counters, *self.numbers)}
        return scalars | {name: self.array(vector, name, shapes) for name in self.arrays}

    def size(self, shapes: Mapping[str, Shape]) -> "Value | int":
        """Return the length of the vector for arrays of these shapes."""
        total: Value | int = len(self.scalars)
        for name in self.arrays:
            total = total + _size(shapes[name])
        return total


def _size(shape: Sequence["int | Value"]) -> "Value | int":
    known = prod(side for side in shape if isinstance(side, int))
    size: Value | int = known
    for side in shape:
        if isinstance(side, Value):
            size = side * size
    return size
