"""The contact sheet of a batch."""

from collections.abc import Container, Iterator, Sequence
from pathlib import Path

from core.cli.sweep import BatchItem
from core.errors import StyleTransferError
from core.image.contact_sheet import Cell, draw_contact_sheet
from core.image.reading import read_image
from core.image.writing import write_image

CELL_SIZE = (256, 256)
"""Width and height of a cell in pixels."""


def write_batch_sheet(path: Path, items: Sequence[BatchItem], failed: Container[BatchItem]) -> None:
    """Write a grid of the results: one row per content, one column per style and variant.

    The first row and column show the style and content images. The cell of a failed item stays empty.

    Raises:
        StyleTransferError: An image cannot be read, or the file cannot be written.
    """
    contents = list(dict.fromkeys(item.content for item in items))
    columns = list(dict.fromkeys((item.variant.label, item.style) for item in items))
    unreadable = {path for item in items if item in failed for path in _unreadable_inputs(item)}
    by_place = {(item.content, item.variant.label, item.style): item for item in items}

    def input_cell(path: Path, text: str) -> Cell:
        return Cell(None if path in unreadable else path, text)

    def result_cell(item: BatchItem) -> Cell:
        return Cell(None if item in failed else item.output)

    header = [input_cell(style, " ".join(filter(None, (style.stem, label)))) for label, style in columns]
    rows = [
        [input_cell(content, content.stem), *(result_cell(by_place[content, *column]) for column in columns)]
        for content in contents
    ]
    sheet = draw_contact_sheet([[Cell(), *header], *rows], CELL_SIZE)
    write_image(path, read_image(sheet).pixels)


def _unreadable_inputs(item: BatchItem) -> Iterator[Path]:
    for path in (item.content, item.style):
        try:
            read_image(path)
        except StyleTransferError:
            yield path
