"""The cells of position targets, and the memory that matching them takes."""

import math

import pytest

from core.config.transfer_config import TransferConfig
from core.memory.matching import CELL_SIDES, MAX_CELLS, cell_side, matching_memory


@pytest.mark.parametrize("side", CELL_SIDES[:-1])
def test_cells_grow_with_the_image_and_not_beyond_the_largest(side: int) -> None:
    assert cell_side(MAX_CELLS * side**2) == side
    assert cell_side(MAX_CELLS * side**2 + 1) == 2 * side
    assert cell_side(2**40) == CELL_SIDES[-1]


def test_cells_are_no_smaller_than_the_finest_stride() -> None:
    assert [cell_side(1000, stride) for stride in (1, 4, 8, 16, 32)] == [4, 4, 8, 16, 32]


def test_matching_memory_holds_the_features_and_descriptions_of_three_images() -> None:
    config = TransferConfig(style_loss="nearest", style_layers="relu2_1,relu3_1")
    size, style = (128, 96), (64, 80)
    pixels = 2 * math.prod(size) + math.prod(style)
    features, descriptions = 128 / 4 + 256 / 16, (128 + 256) / 16
    assert matching_memory(size, style, config) == 4 * (features + descriptions) * pixels
    assert matching_memory(size, style, config.with_options(style_loss="gram")) == 0
