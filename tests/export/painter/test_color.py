"""Colour matching in a graph against `core.image.color`, and eigenvalues against NumPy."""

import numpy as np
import pytest

from core.image.color import match_colors as match_colors_in_numpy
from export.graph.values import Value
from export.painter.color import eigendecomposition, match_colors
from support.graphs import computed

GENERATOR = np.random.default_rng(0)


def pixels(kind: str, height: int, width: int) -> np.ndarray:
    values = GENERATOR.random((1, 3, height, width), dtype=np.float32)
    if kind == "correlated":
        values[:, 1] = 0.2 * values[:, 1] + 0.7 * values[:, 0]
    if kind == "grey":
        values[:] = values[:, :1]
    if kind == "constant":
        values[:] = 0.25
    return values


@pytest.mark.parametrize("reference", ["random", "correlated", "grey", "constant"])
@pytest.mark.parametrize("source", ["random", "correlated", "constant"])
def test_colors_are_matched_as_in_numpy(source: str, reference: str) -> None:
    source_pixels, reference_pixels = pixels(source, 23, 31), pixels(reference, 17, 20)
    expected = match_colors_in_numpy(source_pixels, reference_pixels)
    np.testing.assert_allclose(computed(match_colors, source_pixels, reference_pixels), expected, atol=2e-5)


def test_grey_images_are_matched_within_a_level() -> None:
    """Their covariance is singular, so that the result depends on the rounding of the smallest eigenvalues."""
    source_pixels, reference_pixels = pixels("grey", 23, 31), pixels("random", 17, 20)
    expected = match_colors_in_numpy(source_pixels, reference_pixels)
    np.testing.assert_allclose(computed(match_colors, source_pixels, reference_pixels), expected, atol=1 / 255)


@pytest.mark.parametrize("rank", [0, 1, 2, 3])
def test_eigenvalues_and_eigenvectors_rebuild_the_matrix(rank: int) -> None:
    factor = GENERATOR.standard_normal((3, rank)).astype(np.float32)
    matrix = factor @ factor.T

    def build(value: Value) -> dict[str, Value]:
        values, vectors = eigendecomposition(value)
        return {"values": values.reshape(3), "vectors": vectors.reshape(3, 3)}

    found = computed(build, matrix)
    np.testing.assert_allclose(np.sort(found["values"]), np.linalg.eigvalsh(matrix), atol=1e-5)
    np.testing.assert_allclose(found["vectors"] @ found["vectors"].T, np.eye(3), atol=1e-6)
    np.testing.assert_allclose(found["vectors"] * found["values"] @ found["vectors"].T, matrix, atol=1e-5)
