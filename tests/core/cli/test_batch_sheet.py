"""Contact sheets of batches, from images written by the tests."""

from pathlib import Path

import pytest
from PIL import Image

from core.cli.batch_sheet import CELL_SIZE, write_batch_sheet
from core.cli.sweep import BatchItem, Variant
from core.config.transfer_config import TransferConfig
from core.image.contact_sheet import GAP, TEXT_HEIGHT
from support.images import pixels_of


@pytest.fixture
def items(tmp_path: Path) -> list[BatchItem]:
    """Two contents in two styles with two variants, each input and output an image of one colour."""
    variants = [Variant(f"seed={seed}", TransferConfig(seed=seed)) for seed in (1, 2)]
    paths = {name: tmp_path / f"{name}.png" for name in ("a", "b", "x", "y")}
    for level, path in enumerate(paths.values()):
        Image.new("RGB", (64, 64), (level, 0, 0)).save(path)
    made = []
    for variant in variants:
        for content in "ab":
            for style in "xy":
                output = tmp_path / f"{content}{style}{variant.label}.png"
                Image.new("RGB", (64, 64), (100 + len(made), 0, 0)).save(output)
                made.append(BatchItem(paths[content], paths[style], variant, output))
    return made


def centers(sheet: Path) -> list[list[int]]:
    """The red value in the center of each cell, row by row."""
    pixels = pixels_of(sheet)
    width, height = CELL_SIZE[0] + GAP, CELL_SIZE[1] + TEXT_HEIGHT + GAP
    rows, columns = (pixels.shape[0] - GAP) // height, (pixels.shape[1] - GAP) // width
    return [
        [int(pixels[GAP + row * height + 128, GAP + column * width + 128, 0]) for column in range(columns)]
        for row in range(rows)
    ]


def test_sheet_has_a_row_per_content_and_a_column_per_style_and_variant(items: list[BatchItem], tmp_path: Path) -> None:
    write_batch_sheet(tmp_path / "sheet.png", items, {})
    assert centers(tmp_path / "sheet.png") == [
        [255, 2, 3, 2, 3],
        [0, 100, 101, 104, 105],
        [1, 102, 103, 106, 107],
    ]


def test_sheet_leaves_the_cells_of_failed_items_and_unreadable_inputs_empty(
    items: list[BatchItem], tmp_path: Path
) -> None:
    items[0].content.write_bytes(b"no image")
    failed = {item: "bad" for item in items if item.content == items[0].content}
    write_batch_sheet(tmp_path / "sheet.png", items, failed)
    assert centers(tmp_path / "sheet.png") == [[255, 2, 3, 2, 3], [255] * 5, [1, 102, 103, 106, 107]]


def test_sheet_labels_its_inputs(items: list[BatchItem], tmp_path: Path) -> None:
    write_batch_sheet(tmp_path / "sheet.png", items, {})
    pixels = pixels_of(tmp_path / "sheet.png")
    below = pixels[GAP + CELL_SIZE[1] : GAP + CELL_SIZE[1] + TEXT_HEIGHT]
    labelled = [bool((below[:, GAP + column * (CELL_SIZE[0] + GAP) :][:, :256] < 128).any()) for column in range(5)]
    assert labelled == [False, True, True, True, True]
