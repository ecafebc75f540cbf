"""Masks that are too small or too dark for a layer are refused."""

import math

import pytest

from core.errors import UsageError
from core.objective.masks import check_not_empty


@pytest.mark.parametrize("kind", ["region", "style"])
@pytest.mark.parametrize("maximum", [0.0, 1 / 255, math.nan])
def test_a_mask_of_at_most_one_level_of_8_bits_is_refused(maximum: float, kind: str) -> None:
    with pytest.raises(UsageError, match=f"^a {kind} mask is too small or too dark for the deepest layer: enlarge"):
        check_not_empty(maximum, kind)


def test_a_mask_of_two_levels_is_accepted() -> None:
    check_not_empty(2 / 255, "region")
