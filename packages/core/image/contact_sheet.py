"""Draw contact sheets: a grid of images on white, each with a line of text below it."""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike

from PIL import Image, ImageDraw, ImageFont

from core.arrays import Size
from core.image.reading import read_image
from core.image.writing import to_image

GAP = 12
"""Distance between cells in pixels."""
TEXT_SIZE = 14
"""Font size in pixels."""
TEXT_HEIGHT = 20
"""Height of a line of text in pixels."""


@dataclass(frozen=True)
class Cell:
    """An image and the text below it; None leaves the cell without an image."""

    image: str | PathLike[str] | Image.Image | None = None
    text: str = ""


def draw_contact_sheet(rows: Sequence[Sequence[Cell]], cell: Size) -> Image.Image:
    """Draw rows of images, each shrunk to fit into `cell` (width, height) and centred in it.

    Texts longer than a cell are cut. Without any text no space is reserved for it.

    Raises:
        UsageError: An image cannot be read.
    """
    text_height = TEXT_HEIGHT if any(one.text for row in rows for one in row) else 0
    width, height = cell[0] + GAP, cell[1] + text_height + GAP
    sheet = Image.new("RGB", (max(map(len, rows)) * width + GAP, len(rows) * height + GAP), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(TEXT_SIZE)
    for row, cells in enumerate(rows):
        for column, one in enumerate(cells):
            left, top = GAP + column * width, GAP + row * height
            if one.image is not None:
                fitted = to_image(read_image(one.image).pixels)
                fitted.thumbnail(cell, Image.Resampling.LANCZOS)
                sheet.paste(fitted, (left + (cell[0] - fitted.width) // 2, top + (cell[1] - fitted.height) // 2))
            middle = (left + cell[0] // 2, top + cell[1] + TEXT_HEIGHT // 2)
            draw.text(middle, _cut(one.text, cell[0], font), fill="black", font=font, anchor="mm")
    return sheet


def _cut(text: str, width: int, font: ImageFont.ImageFont | ImageFont.FreeTypeFont) -> str:
    """Return the text, or its longest beginning that with an ellipsis fits into `width` pixels."""
    shown = text
    while shown and font.getlength(shown) > width:
        text = text[:-1]
        shown = f"{text}..." if text else ""
    return shown
