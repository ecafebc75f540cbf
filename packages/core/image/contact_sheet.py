"""Contact sheets: pictures side by side on white, each with a line of text below it. NumPy and Pillow only."""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike

from PIL import Image, ImageDraw, ImageFont

from core.arrays import Size
from core.image.reading import read_image
from core.image.writing import to_image

GAP = 12
TEXT_SIZE = 14
TEXT_HEIGHT = 20


@dataclass(frozen=True)
class Cell:
    """A picture, from a file or not, and the text below it; None leaves the place of the picture empty."""

    picture: str | PathLike[str] | Image.Image | None = None
    text: str = ""


def draw_contact_sheet(rows: Sequence[Sequence[Cell]], cell: Size) -> Image.Image:
    """The pictures, each as large as `cell` (width, height) allows and in the middle of it, on white.

    The texts, cut where they are too long, take their place only if there are any.

    Raises:
        UsageError: A picture cannot be read.
    """
    below = TEXT_HEIGHT if any(one.text for row in rows for one in row) else 0
    width, height = cell[0] + GAP, cell[1] + below + GAP
    sheet = Image.new("RGB", (max(map(len, rows)) * width + GAP, len(rows) * height + GAP), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(TEXT_SIZE)
    for row, cells in enumerate(rows):
        for column, one in enumerate(cells):
            left, top = GAP + column * width, GAP + row * height
            if one.picture is not None:
                fitted = to_image(read_image(one.picture).pixels)
                fitted.thumbnail(cell, Image.Resampling.LANCZOS)
                sheet.paste(fitted, (left + (cell[0] - fitted.width) // 2, top + (cell[1] - fitted.height) // 2))
            middle = (left + cell[0] // 2, top + cell[1] + TEXT_HEIGHT // 2)
            draw.text(middle, _cut(one.text, cell[0], font), fill="black", font=font, anchor="mm")
    return sheet


def _cut(text: str, width: int, font: ImageFont.ImageFont | ImageFont.FreeTypeFont) -> str:
    """The text, or as much of its beginning as `width` pixels hold."""
    shown = text
    while shown and font.getlength(shown) > width:
        text = text[:-1]
        shown = f"{text}..." if text else ""
    return shown
