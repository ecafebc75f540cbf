"""What L-BFGS remembers of the curvature: an inverse Hessian among the values of a picture that are free to move.

Works on NumPy arrays and torch tensors alike.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core.arrays import Array, converted, empty, on_host

MIN_CURVATURE = 1e-10

LUMINANCE_SCALE = 0.25
"""The first guess at the inverse Hessian along grey, in parts of that along the colours.

Features answer to brightness far more than to colour: steps of equal length are too long for the one or too short for
the other. On two pairs of pictures at 256 and 384 pixels a loss takes 8 to 20 % fewer evaluations.
"""

DIMMED = (1 - LUMINANCE_SCALE) / 3
"""How much of the sum over the channels the first guess takes off each of them."""

CHUNK = 2**20
"""How many pixels are looked through for held ones at once: where all are, they are copied."""


class LBFGSHistory:
    """The last pairs of moves and gradient changes; a first guess stands for what they do not tell.

    The two-loop recursion (Nocedal and Wright, Numerical Optimization, algorithm 7.4) needs no more than inner products
    of the pairs and the gradient, and gives a sum of them (Chen, Wang and Zhou, Large-scale L-BFGS using MapReduce,
    NIPS 2014). Those of the pairs are kept from step to step, and what the values that are held add to them is taken
    off. So a step reads the pairs a few times, as the rows of two matrices, where the loops themselves would read and
    write whole pictures two dozen times for each.
    """

    def __init__(self, size: int) -> None:
        """A memory for `size` pairs."""
        self._size = size
        self._slots: list[int] = []
        """The rows that pairs lie in, oldest first."""
        self._moves: Array = None
        self._changes: Array = None
        self._mixed, self._squares = (np.zeros((size, size)) for _ in range(2))
        """Inner products of moves (rows) with changes (columns), and of changes with each other as `_guessed`."""

    def __len__(self) -> int:
        return len(self._slots)

    def arrays(self) -> dict[str, Array]:
        """The pairs, each array with its name; a later `add` changes them in place."""
        rows = {f"move {slot}": self._moves[slot] for slot in self._slots}
        rows |= {f"change {slot}": self._changes[slot] for slot in self._slots}
        return {name: row.reshape(self._shape) for name, row in rows.items()}

    def numbers(self) -> dict[str, Any]:
        """What `restore` needs beside the arrays, JSON-ready."""
        return {"slots": list(self._slots), "mixed": self._mixed.tolist(), "squares": self._squares.tolist()}

    def restore(self, arrays: dict[str, Array], numbers: Mapping[str, Any]) -> None:
        """Take the pairs out of what `arrays` and `numbers` gave, one by one, so that none is held in memory twice."""
        for slot in numbers["slots"]:
            self._put(slot, arrays.pop(f"move {slot}"), arrays.pop(f"change {slot}"))
        self._mixed, self._squares = np.array(numbers["mixed"]), np.array(numbers["squares"])

    def clear(self) -> None:
        """Forget all pairs."""
        self._slots.clear()

    def add(self, move: Array, change: Array) -> None:
        """Keep the pair if the loss curves upwards along it; otherwise it would spoil the descent."""
        curvature, square = (move * change).sum(), (change * change).sum()
        if float(curvature) <= MIN_CURVATURE * float(square):
            return
        slot = self._slots[0] if len(self) == self._size else len(self)
        self._put(slot, move, change)
        moves, changes = self._pairs()
        used = slice(len(self))
        # All are on their way before the first is read: on CUDA that waits for the device.
        products = changes @ moves[slot], moves @ changes[slot], changes @ self._guessed(changes[slot])
        self._mixed[slot, used], self._mixed[used, slot], squares = map(on_host, products)
        self._squares[slot, used] = self._squares[used, slot] = squares

    def multiply(self, gradient: Array, free: Array) -> Array:
        """The inverse Hessian restricted to the `free` values (a mask), times `gradient`, which is 0 elsewhere."""
        if not self._slots:
            return gradient
        flat, free = gradient.reshape(-1), free.reshape(-1)
        moves, changes = self._pairs()
        with_gradient = moves @ flat, changes @ (self._guessed(flat) * free)
        mixed, squares = self._products_among(free)
        with_moves, with_changes = map(on_host, with_gradient)
        of_moves, of_changes, scale = _two_loops(mixed, squares, with_moves, with_changes, self._slots)
        left = (flat + converted(of_changes, flat) @ changes) * free
        result = (scale * self._guessed(left) + converted(of_moves, flat) @ moves) * free
        return result.reshape(gradient.shape)

    def _guessed(self, flat: Array) -> Array:
        """A picture times the first guess at the inverse Hessian, but for its scale."""
        if self._planes == 1:
            return flat
        channels = flat.reshape(self._planes, -1)
        return (channels - DIMMED * channels.sum(0)).reshape(-1)

    @property
    def _planes(self) -> int:
        return planes(self._shape)

    def _put(self, slot: int, move: Array, change: Array) -> None:
        if self._moves is None:
            self._shape = move.shape
            self._moves, self._changes = (empty((self._size, math.prod(move.shape)), move) for _ in range(2))
        if slot in self._slots:
            self._slots.remove(slot)
        self._slots.append(slot)
        self._moves[slot], self._changes[slot] = move.reshape(-1), change.reshape(-1)

    def _pairs(self) -> tuple[Array, Array]:
        """The moves and the changes, a row for each slot."""
        return self._moves[: len(self)], self._changes[: len(self)]

    def _products_among(self, free: Array) -> tuple[np.ndarray, np.ndarray]:
        """The inner products over the free values alone."""
        used = slice(len(self))
        mixed, squares = self._mixed[used, used].copy(), self._squares[used, used].copy()
        moves, changes, free = (
            values.reshape(-1, self._planes, free.shape[0] // self._planes) for values in (*self._pairs(), free)
        )
        for start in range(0, free.shape[2], CHUNK):
            part = slice(start, start + CHUNK)
            held = ~free[0, :, part]
            if held.any():
                held_moves, held_changes = moves[..., part][:, held], changes[..., part][:, held]
                mixed -= on_host(held_moves @ held_changes.T)
                squares -= on_host(held_changes @ held_changes.T)
                if self._planes > 1:  # what the whole of such a pixel's grey counts for, less that of its free channels
                    pixels = held.sum(0) > 0
                    of_pixels = changes[..., part][..., pixels]
                    grey, rest = of_pixels.sum(1), (of_pixels * free[0, :, part][:, pixels]).sum(1)
                    squares += DIMMED * (on_host(grey @ grey.T) - on_host(rest @ rest.T))
        return mixed, squares


def planes(shape: Sequence[int]) -> int:
    """The channels of pictures (N, C, ...) whose colour counts: 3, and 1 where there is none."""
    return 3 if len(shape) > 2 and shape[1] == 3 else 1


def _two_loops(
    mixed: np.ndarray, squares: np.ndarray, with_moves: np.ndarray, with_changes: np.ndarray, slots: Sequence[int]
) -> tuple[np.ndarray, np.ndarray, float]:
    """The shares of moves and changes in the inverse Hessian times the gradient, and its scale.

    From the inner products of the moves (rows) with the changes (columns), of the changes with each other, and of both
    with the gradient, those of the changes alone or with the gradient by way of the first guess at the inverse Hessian;
    `slots` are theirs, oldest first. The shares of changes and gradient are those before that guess, whose scale comes
    last.
    """
    of_moves, of_changes = np.zeros_like(with_moves), np.zeros_like(with_changes)
    # A pair may curve upwards only with the values now held in; without them it counts for nothing.
    weights = {slot: 1 / mixed[slot, slot] if mixed[slot, slot] > 0 else 0.0 for slot in slots}
    for slot in reversed(slots):
        of_changes[slot] = -weights[slot] * (with_moves[slot] + mixed[slot] @ of_changes)
    newest = slots[-1]
    scale = abs(mixed[newest, newest]) / max(squares[newest, newest], 1e-300)
    for slot in slots:
        reached = scale * (with_changes[slot] + squares[slot] @ of_changes) + of_moves @ mixed[:, slot]
        of_moves[slot] = -of_changes[slot] - weights[slot] * reached
    return of_moves, of_changes, float(scale)
