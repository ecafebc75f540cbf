"""Paint three photographs in four styles, and lay them out on one sheet: `docs/contact-sheet.jpg`."""

from pathlib import Path

from core import TransferConfig, stylize
from PIL import Image

HERE = Path(__file__).parent
CONTENTS = ("coffee", "cat", "rocket")
STYLES = ("night", "glass", "woodcut", "autumn")
CONFIG = TransferConfig(image_size=384, scales=2, iterations=60)
CELL, GAP = (384, 288), 12


def main() -> None:
    """Paint what is not painted yet, and write the sheet."""
    columns, rows = len(STYLES) + 1, len(CONTENTS) + 1
    sheet = Image.new("RGB", (columns * (CELL[0] + GAP) + GAP, rows * (CELL[1] + GAP) + GAP), "white")
    for column, style in enumerate(STYLES, start=1):
        _place(sheet, Image.open(_source("style", style)), column, 0)
    for row, content in enumerate(CONTENTS, start=1):
        _place(sheet, Image.open(_source("content", content)), 0, row)
        for column, style in enumerate(STYLES, start=1):
            _place(sheet, _painting(content, style), column, row)
    sheet.save(HERE.parent / "docs" / "contact-sheet.jpg", quality=88)


def _source(kind: str, name: str) -> Path:
    return HERE / kind / f"{name}.jpg"


def _painting(content: str, style: str) -> Image.Image:
    path = HERE / "painted" / f"{content}-{style}.png"
    if not path.exists():
        stylize(_source("content", content), _source("style", style), CONFIG).save(path)
    return Image.open(path)


def _place(sheet: Image.Image, picture: Image.Image, column: int, row: int) -> None:
    """Fit the picture into its cell, in the middle."""
    fitted = picture.convert("RGB")
    fitted.thumbnail(CELL, Image.Resampling.LANCZOS)
    left = GAP + column * (CELL[0] + GAP) + (CELL[0] - fitted.width) // 2
    top = GAP + row * (CELL[1] + GAP) + (CELL[1] - fitted.height) // 2
    sheet.paste(fitted, (left, top))


if __name__ == "__main__":
    main()
