"""The curvature history of L-BFGS and products with its inverse Hessian, restricted to the free set.

Works on NumPy arrays and torch tensors.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core.arrays import Array, converted, empty, on_host
from core.optim.constants import LBFGS

PIXELS_PER_CHUNK = 2**20
"""Pixels whose active values are copied at a time."""


class LBFGSHistory:
    """The last m curvature pairs (s, y) and an initial inverse Hessian gamma * H0.

    s is the change of the image in a step and y the change of the gradient. H0 = I - d * 1 1^T acts on the three
    channels of each pixel, with d = `LBFGS.luminance_damping`, and is the identity for other arrays.
    gamma = s^T y / y^T H0 y of the newest pair (Nocedal and Wright, Numerical Optimization, equation 7.20, with H0 in
    place of the identity).

    The two-loop recursion (algorithm 7.4) needs only inner products of the pairs and the gradient, and returns a
    linear combination of them (Chen, Wang and Zhou, Large-scale L-BFGS using MapReduce, NIPS 2014). S^T Y and
    Y^T H0 Y are updated with each pair; for a product restricted to the free set the contribution of the active set
    is subtracted. So a step reads the pairs a few times, as the rows of two matrices, where the recursion itself
    reads and writes whole images two dozen times for each pair.
    """

    def __init__(self, size: int) -> None:
        """Create a history of at most `size` pairs."""
        self._size = size
        self._slots: list[int] = []
        """Rows of S and Y that hold a pair, oldest first."""
        self._S: Array = None
        self._Y: Array = None
        self._StY, self._YtH0Y = (np.zeros((size, size)) for _ in range(2))

    def __len__(self) -> int:
        return len(self._slots)

    def arrays(self) -> dict[str, Array]:
        """Return views of the pairs by name, "s 0", "y 0" and so on; a later `add` changes them in place."""
        rows = {f"s {slot}": self._S[slot] for slot in self._slots}
        rows |= {f"y {slot}": self._Y[slot] for slot in self._slots}
        return {name: row.reshape(self._shape) for name, row in rows.items()}

    def numbers(self) -> dict[str, Any]:
        """Return the JSON-serialisable part of the state."""
        return {"slots": list(self._slots), "StY": self._StY.tolist(), "YtH0Y": self._YtH0Y.tolist()}

    def restore(self, arrays: dict[str, Array], numbers: Mapping[str, Any]) -> None:
        """Restore the state from `arrays()` and `numbers()`; pairs are removed from `arrays` as they are copied.

        The newest pairs are kept of a history of another size, which a run with another memory limit may have.
        """
        slots = numbers["slots"]
        kept = slots[-self._size :]
        rows = range(len(kept)) if len(numbers["StY"]) != self._size else kept
        for slot in slots:
            s, y = arrays.pop(f"s {slot}"), arrays.pop(f"y {slot}")
            if slot in kept:
                self._write(rows[kept.index(slot)], s, y)
        for own, stored in ((self._StY, numbers["StY"]), (self._YtH0Y, numbers["YtH0Y"])):
            own[np.ix_(rows, rows)] = np.array(stored)[np.ix_(kept, kept)]

    def clear(self) -> None:
        """Remove all pairs."""
        self._slots.clear()

    def add(self, s: Array, y: Array) -> None:
        """Store a pair if its curvature s^T y is positive; otherwise the inverse Hessian would lose definiteness."""
        sty, yty = (s * y).sum(), (y * y).sum()
        if float(sty) <= LBFGS.min_curvature * float(yty):
            return
        slot = self._slots[0] if len(self) == self._size else len(self)
        self._write(slot, s, y)
        S, Y = self._pairs()
        used = slice(len(self))
        # All three products are queued before the first is read: on CUDA reading synchronises.
        products = Y @ S[slot], S @ Y[slot], Y @ self._apply_h0(Y[slot])
        self._StY[slot, used], self._StY[used, slot], yth0y = map(on_host, products)
        self._YtH0Y[slot, used] = self._YtH0Y[used, slot] = yth0y

    def inverse_hessian_product(self, gradient: Array, free: Array) -> Array:
        """Return P H P g, where P restricts to the free set.

        Args:
            gradient: g, of the shape of the image, zero in the active set.
            free: The free set, a mask of the same shape.
        """
        if not self._slots:
            return gradient
        g, free = gradient.reshape(-1), free.reshape(-1)
        S, Y = self._pairs()
        products = S @ g, Y @ (self._apply_h0(g) * free)
        StY, YtH0Y = self._products_in_free_set(free)
        Stg, YtH0g = map(on_host, products)
        sigma, alpha, gamma = _two_loop_recursion(StY, YtH0Y, Stg, YtH0g, self._slots)
        q = (g + converted(-alpha, g) @ Y) * free
        result = (gamma * self._apply_h0(q) + converted(sigma, g) @ S) * free
        return result.reshape(gradient.shape)

    def _apply_h0(self, flat: Array) -> Array:
        """Return H0 times a flattened image."""
        if self._channels == 1:
            return flat
        channels = flat.reshape(self._channels, -1)
        return (channels - LBFGS.luminance_damping * channels.sum(0)).reshape(-1)

    @property
    def _channels(self) -> int:
        return color_channels(self._shape)

    def _write(self, slot: int, s: Array, y: Array) -> None:
        if self._S is None:
            self._shape = s.shape
            self._S, self._Y = (empty((self._size, math.prod(s.shape)), s) for _ in range(2))
        if slot in self._slots:
            self._slots.remove(slot)
        self._slots.append(slot)
        self._S[slot], self._Y[slot] = s.reshape(-1), y.reshape(-1)

    def _pairs(self) -> tuple[Array, Array]:
        """Return S and Y, (pairs, values), one row for each slot in use."""
        return self._S[: len(self)], self._Y[: len(self)]

    def _products_in_free_set(self, free: Array) -> tuple[np.ndarray, np.ndarray]:
        """Return S^T P Y and Y^T P H0 P Y by subtracting the contribution of the active set from S^T Y and Y^T H0 Y."""
        used = slice(len(self))
        StY, YtH0Y = self._StY[used, used].copy(), self._YtH0Y[used, used].copy()
        S, Y, free = (
            values.reshape(-1, self._channels, free.shape[0] // self._channels) for values in (*self._pairs(), free)
        )
        for start in range(0, free.shape[2], PIXELS_PER_CHUNK):
            chunk = slice(start, start + PIXELS_PER_CHUNK)
            active = ~free[0, :, chunk]
            if active.any():
                S_active, Y_active = S[..., chunk][:, active], Y[..., chunk][:, active]
                StY -= on_host(S_active @ Y_active.T)
                YtH0Y -= on_host(Y_active @ Y_active.T)
                if self._channels > 1:
                    # Pixels with an active channel: replace the channel sum over all channels by that over free ones.
                    pixels = active.sum(0) > 0
                    Y_pixels = Y[..., chunk][..., pixels]
                    sums, free_sums = Y_pixels.sum(1), (Y_pixels * free[0, :, chunk][:, pixels]).sum(1)
                    change = on_host(sums @ sums.T) - on_host(free_sums @ free_sums.T)
                    YtH0Y += LBFGS.luminance_damping * change
        return StY, YtH0Y


def color_channels(shape: Sequence[int]) -> int:
    """Return 3 for RGB images, (N, 3, ...), and 1 for arrays of any other shape."""
    return 3 if len(shape) > 2 and shape[1] == 3 else 1


def _two_loop_recursion(
    StY: np.ndarray, YtH0Y: np.ndarray, Stg: np.ndarray, YtH0g: np.ndarray, slots: Sequence[int]
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return sigma, alpha (m,) and gamma such that H g = gamma * H0 (g - Y alpha) + S sigma.

    Nocedal and Wright, algorithm 7.4, on inner products. `StY`, `YtH0Y` are (m, m), `Stg` and `YtH0g` (m,); `slots`
    are their indices, oldest pair first. sigma_i = alpha_i - beta_i.
    """
    sigma, alpha = np.zeros_like(Stg), np.zeros_like(YtH0g)
    # The curvature of a pair can be negative in the free set alone; rho = 0 then leaves the pair out.
    rho = {slot: 1 / StY[slot, slot] if StY[slot, slot] > 0 else 0.0 for slot in slots}
    for slot in reversed(slots):
        alpha[slot] = rho[slot] * (Stg[slot] - StY[slot] @ alpha)
    newest = slots[-1]
    gamma = abs(StY[newest, newest]) / max(YtH0Y[newest, newest], LBFGS.min_yth0y)
    for slot in slots:
        beta = rho[slot] * (gamma * (YtH0g[slot] - YtH0Y[slot] @ alpha) + sigma @ StY[:, slot])
        sigma[slot] = alpha[slot] - beta
    return sigma, alpha, float(gamma)
