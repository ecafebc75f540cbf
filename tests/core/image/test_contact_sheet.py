"""Contact sheets, compared pixel by pixel."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.errors import UsageError
from core.image.contact_sheet import GAP, TEXT_HEIGHT, Cell, draw_contact_sheet


def test_images_are_centred_in_their_cells() -> None:
    red, blue = Image.new("RGB", (40, 20), "red"), Image.new("RGB", (16, 16), "blue")
    sheet = np.asarray(draw_contact_sheet([[Cell(red), Cell()], [Cell(), Cell(blue)]], (20, 20)))
    assert sheet.shape == (2 * 20 + 3 * GAP, 2 * 20 + 3 * GAP, 3)
    expected = np.full(sheet.shape, 255)
    expected[GAP + 5 : GAP + 15, GAP : GAP + 20] = (255, 0, 0)
    corner = 20 + 2 * GAP
    expected[corner + 2 : corner + 18, corner + 2 : corner + 18] = (0, 0, 255)
    np.testing.assert_array_equal(sheet, expected)


def test_texts_are_below_the_images_and_cut_at_the_cell() -> None:
    long = "a very long name of an image that does not fit into a cell"
    sheet = np.asarray(draw_contact_sheet([[Cell(text="x"), Cell(text=long)]], (60, 20)).convert("L"))
    assert sheet.shape[0] == 20 + TEXT_HEIGHT + 2 * GAP
    ink = np.argwhere(sheet < 128)
    assert ink[:, 0].min() >= GAP + 20
    assert ink[:, 0].max() < GAP + 20 + TEXT_HEIGHT
    columns = ink[:, 1]
    assert GAP + 20 < columns.min() < GAP + 40
    assert 60 + 2 * GAP <= columns.max() < 120 + 2 * GAP
    assert (columns > 60 + 2 * GAP + 30).any()


def test_an_unreadable_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        draw_contact_sheet([[Cell(tmp_path / "missing.png")]], (20, 20))
