"""The Laplacian pyramid of NNST."""

import pytest
import torch

from bench.time_to_quality.laplacian_pyramid import compose, decompose


@pytest.mark.parametrize("size", [(64, 64), (37, 50), (5, 300)])
def test_an_image_is_the_sum_of_its_bands(size: tuple[int, int]) -> None:
    image = torch.rand(1, 3, *size, dtype=torch.float64)
    bands = decompose(image, 5)
    assert len(bands) == 6
    torch.testing.assert_close(compose(bands), image)


def test_without_the_finest_bands_the_image_is_reduced() -> None:
    bands = decompose(torch.rand(1, 3, 37, 50), 5)
    assert [tuple(compose(bands[level:]).shape[2:]) for level in range(4)] == [(37, 50), (18, 25), (9, 12), (4, 6)]


def test_a_flat_image_has_empty_bands() -> None:
    *bands, rest = decompose(torch.full((1, 3, 32, 48), 0.3), 4)
    assert max(band.abs().max().item() for band in bands) < 1e-6
    torch.testing.assert_close(rest, torch.full((1, 3, 2, 3), 0.3))
