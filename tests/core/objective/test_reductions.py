"""Sums and means over tensors, and views of features."""

import pytest
import torch

from core.objective.reductions import flatten_positions, mean_square, sum_of_squares
from support.style_losses import random_features


def test_sums_one_axis_at_a_time_keep_their_digits() -> None:
    values = torch.full((1, 1, 1024, 1024), 0.1)
    assert sum_of_squares(values).item() == pytest.approx(1024**2 * float(values[0, 0, 0, 0]) ** 2, rel=1e-6)
    features = random_features(2, 3, 4, 5)
    assert mean_square(features) == pytest.approx((features.numpy() ** 2).mean())


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_positions_are_flattened_row_by_row_without_a_copy(layout: torch.memory_format) -> None:
    features = random_features(1, 3, 4, 5).contiguous(memory_format=layout)
    flat = flatten_positions(features)
    assert flat.data_ptr() == features.data_ptr()
    assert torch.equal(flat[0, :, 7], features[0, :, 1, 2])
