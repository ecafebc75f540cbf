"""Colour matching in an ONNX graph: `core.image.color.match_colors`, and the eigenvalues that it needs."""

import numpy as np

from core.image.color import MIN_EIGENVALUE
from export.graph.control_flow import loop
from export.graph.values import Value, maximum, where

PAIRS = ((0, 1), (0, 2), (1, 2))
SWEEPS = 6
"""Rotations of each pair of axes; the method converges quadratically, in float32 within four."""


def match_colors(pixels: Value, reference: Value) -> Value:
    """Map the colours of `pixels` linearly to the mean and covariance of the colours of `reference`.

    Both are (1, 3, H, W) float32; the result is not clipped.
    """
    source, source_mean, source_covariance = _moments(pixels)
    _, target_mean, target_covariance = _moments(reference)
    values, vectors = eigendecomposition(source_covariance)
    root, inverse = _power(values, vectors, 0.5), _power(values, vectors, -0.5)
    middle = _power(*eigendecomposition(root @ target_covariance @ root), 0.5)
    transport = inverse @ middle @ inverse
    return (transport @ (source - source_mean) + target_mean).like(pixels)


def eigendecomposition(matrix: Value) -> tuple[Value, Value]:
    """Return the eigenvalues (3,) and eigenvectors (3, 3), as columns, of a symmetric (3, 3) matrix.

    The cyclic Jacobi method (Golub and Van Loan, Matrix Computations, section 8.5).
    """
    unit = np.eye(3, dtype=np.float32)
    first, second = (Value.constant(unit[[pair[side] for pair in PAIRS]], np.float32) for side in (0, 1))
    identity = Value.constant(unit, np.float32)

    def rotate(number: Value, state: dict[str, Value]) -> tuple[Value, dict[str, Value], list[Value]]:
        pair = number % len(PAIRS)
        p, q = first.take(pair).reshape(3, 1), second.take(pair).reshape(3, 1)
        matrix = state["matrix"]
        app, aqq, apq = ((a * (matrix @ b)).sum() for a, b in ((p, p), (q, q), (p, q)))
        some = where(apq.equals(0), Value.constant(1, np.float32), apq)
        ratio = (aqq - app) / (2 * some)
        tangent = where(
            ratio < 0, -1 / (abs(ratio) + (1 + ratio * ratio).sqrt()), 1 / (ratio + (1 + ratio * ratio).sqrt())
        )
        tangent = where(apq.equals(0), Value.constant(0, np.float32), tangent)
        cosine = 1 / (1 + tangent * tangent).sqrt()
        sine = tangent * cosine
        diagonal = p @ p.transposed() + q @ q.transposed()
        rotation = identity + (cosine - 1) * diagonal + sine * (p @ q.transposed() - q @ p.transposed())
        following = {
            "matrix": rotation.transposed() @ matrix @ rotation,
            "vectors": state["vectors"] @ rotation,
        }
        return Value.constant(True, bool), following, []

    count = Value.constant(SWEEPS * len(PAIRS), np.int64)
    found, _ = loop(count, {"matrix": matrix, "vectors": identity}, rotate)
    return (found["matrix"] * identity).sum(0), found["vectors"]


def _moments(pixels: Value) -> tuple[Value, Value, Value]:
    """Return the colours (3, n) of an image, their mean (3, 1) and their covariance (3, 3)."""
    flat = pixels.reshape(3, -1)
    mean = flat.mean(1, keepdims=True)
    centred = flat - mean
    return flat, mean, centred @ centred.transposed() / (flat.side(1) - 1).cast(np.float32)


def _power(values: Value, vectors: Value, exponent: float) -> Value:
    """Return the power of a symmetric matrix, given its eigenvalues and eigenvectors."""
    bounded = maximum(values, Value.constant(MIN_EIGENVALUE, np.float32))
    return vectors * bounded**exponent @ vectors.transposed()
