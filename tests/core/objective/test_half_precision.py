"""Statistics of half precision features are summed in float32."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from core.objective.gram import gram
from core.objective.moments import moments


@pytest.mark.parametrize("statistic", [gram, moments])
@pytest.mark.parametrize("masked", [False, True])
def test_statistics_of_half_precision_are_summed_in_float32(statistic: Callable[..., Tensor], masked: bool) -> None:
    features = torch.rand((1, 8, 40, 50), generator=torch.Generator().manual_seed(0)).bfloat16()
    mask = torch.linspace(0, 2, 40 * 50).view(1, 1, 40, 50) if masked else None
    found = statistic(features, mask)
    expected = statistic(features.double(), None if mask is None else mask.double())
    assert found.dtype == torch.float32
    assert torch.linalg.norm(found.double() - expected) < 5e-3 * torch.linalg.norm(expected)
