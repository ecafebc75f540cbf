"""Self-similarity of features with known vectors."""

import pytest
import torch
from torch import Tensor

from bench.quality.structure import self_similarity, structure_difference


def features_of(*vectors: tuple[float, ...]) -> Tensor:
    """Features (1, C, 1, N) with one vector per position."""
    return torch.tensor(vectors).T[None, :, None]


def test_self_similarity_is_the_cosine_of_the_deviations_from_the_mean() -> None:
    # The mean is (1, 2), and the deviations are (3, 0), (0, 2), (-3, 0), (0, -2).
    similarity = self_similarity(features_of((4, 2), (1, 4), (-2, 2), (1, 0)))
    expected = torch.tensor([[1, 0, -1, 0], [0, 1, 0, -1], [-1, 0, 1, 0], [0, -1, 0, 1]]).double()
    torch.testing.assert_close(similarity, expected)


def test_structure_difference_is_the_mean_absolute_difference() -> None:
    similarity = self_similarity(features_of((1, 0), (-1, 0), (0, 1), (0, -1)))
    exchanged = self_similarity(features_of((1, 0), (0, 1), (-1, 0), (0, -1)))
    # Two positions exchange their places: 8 of 16 cosines change by 1.
    assert structure_difference(similarity, exchanged) == pytest.approx(0.5)
    assert structure_difference(similarity, similarity) == 0


def test_structure_ignores_gain_and_offset_of_the_features() -> None:
    features = torch.randn(1, 5, 4, 6, generator=torch.Generator().manual_seed(0))
    offset = torch.randn(1, 5, 1, 1, generator=torch.Generator().manual_seed(1))
    assert structure_difference(self_similarity(features), self_similarity(3 * features + offset)) == pytest.approx(
        0, abs=1e-5
    )


def test_flat_features_resemble_nothing() -> None:
    assert not self_similarity(torch.ones(1, 3, 2, 2)).any()
