"""Relative differences of Gram matrices, by hand."""

import pytest
import torch

from bench.quality.style import style_difference, style_statistics


def test_style_difference_is_relative_and_averaged_over_taps() -> None:
    features = torch.randn(1, 4, 6, 5, generator=torch.Generator().manual_seed(0))
    style = style_statistics({"first": features, "second": features})
    # Features of twice the size have four times the Gram matrix, so they differ by three times its norm.
    result = style_statistics({"first": 2 * features, "second": features})
    assert style_difference(result, style) == pytest.approx((3 + 0) / 2, rel=1e-5)
    assert style_difference(style, style) == 0
    assert style_difference(style_statistics(dict.fromkeys(style, torch.zeros(1, 4, 3, 3))), style) == 1


def test_style_ignores_the_order_of_positions() -> None:
    features = torch.randn(1, 4, 6, 5, generator=torch.Generator().manual_seed(0))
    flipped = style_statistics({"tap": features.flip(2, 3)})
    assert style_difference(flipped, style_statistics({"tap": features})) == pytest.approx(0, abs=1e-6)
