"""The colour correction of NNST, in OkLab."""

import pytest
import torch
from torch import Tensor

from bench.time_to_quality import nnst_colors
from bench.time_to_quality.nnst_colors import correct_colors


def image_around(mean: tuple[float, float, float], seed: int) -> Tensor:
    noise = torch.rand(1, 3, 24, 32, generator=torch.Generator().manual_seed(seed)) - 0.5
    return torch.tensor(mean).reshape(1, 3, 1, 1) + 0.3 * noise


CONTENT, STYLE, RESULT = (
    image_around(mean, seed) for seed, mean in enumerate([(0.4, 0.5, 0.6), (0.6, 0.4, 0.3), (0.5, 0.5, 0.5)])
)


def test_the_conversion_has_an_inverse() -> None:
    torch.testing.assert_close(nnst_colors._to_rgb(nnst_colors._to_oklab(STYLE)), STYLE, atol=1e-5, rtol=0)


def test_grey_has_no_chroma() -> None:
    lab = nnst_colors._to_oklab(torch.full((1, 3, 2, 2), 0.5))
    assert lab[:, 1:].abs().max() < 1e-3


def test_the_mean_color_is_that_of_the_style_and_the_lightness_that_of_the_result() -> None:
    corrected, style, result = map(nnst_colors._to_oklab, (correct_colors(CONTENT, STYLE, RESULT), STYLE, RESULT))
    torch.testing.assert_close(corrected[:, 1:].mean((2, 3)), style[:, 1:].mean((2, 3)), atol=5e-3, rtol=0)
    expected = nnst_colors._clamped_to_range(result, style)[:, :1]
    torch.testing.assert_close(corrected[:, :1], expected, atol=5e-3, rtol=0)


def test_the_result_of_a_grey_style_is_grey() -> None:
    grey = STYLE.mean(1, keepdim=True).expand(1, 3, -1, -1)
    corrected = correct_colors(CONTENT, grey, RESULT)
    assert corrected.std(1).max() < 0.02
    assert RESULT.std(1).max() > 0.1


def test_chroma_is_smoothed_within_areas_but_not_across_edges() -> None:
    lightness = torch.cat([torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 8, 8)], 3)
    chroma = torch.cat([lightness, torch.rand(1, 1, 8, 16)], 1)
    smooth = nnst_colors._smoothed(chroma, lightness)
    torch.testing.assert_close(smooth[:, :1], lightness, atol=1e-3, rtol=0)
    assert smooth[:, 1].std() < 0.5 * chroma[:, 1].std()


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_flat_images_stay_finite(value: float) -> None:
    flat = torch.full((1, 3, 8, 8), value)
    corrected = correct_colors(flat, flat, flat)
    torch.testing.assert_close(corrected, flat, atol=1e-2, rtol=0)
