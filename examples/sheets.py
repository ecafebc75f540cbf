"""Paint the pictures shown in `docs/`, and lay them out: the README's first picture and a contact sheet."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from core import TransferConfig, stylize

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs"
GAP = 12

CONTENTS = ("coffee", "cat", "rocket")
STYLES = ("night", "glass", "woodcut", "autumn")
FIRST = TransferConfig(iterations=100)
SMALL = TransferConfig(image_size=384, iterations=60)


def main() -> None:
    """Write both sheets; paintings that are in `examples/painted` are not painted again."""
    first = [_source("content", "cat"), _source("style", "glass"), _painting("cat", "glass", FIRST)]
    _sheet([first], cell=(451, 300)).save(DOCS / "before-after.jpg", quality=90)
    styles = [Image.new("RGB", (1, 1), "white"), *(_source("style", style) for style in STYLES)]
    rows = [[_source("content", name), *(_painting(name, style, SMALL) for style in STYLES)] for name in CONTENTS]
    _sheet([styles, *rows], cell=(384, 288)).save(DOCS / "contact-sheet.jpg", quality=88)


def _path(kind: str, name: str) -> Path:
    return HERE / kind / f"{name}.jpg"


def _source(kind: str, name: str) -> Image.Image:
    return Image.open(_path(kind, name))


def _painting(content: str, style: str, config: TransferConfig) -> Image.Image:
    path = HERE / "painted" / f"{content}-{style}-{config.image_size}.png"
    if not path.exists():
        stylize(_path("content", content), _path("style", style), config).save(path)
    return Image.open(path)


def _sheet(rows: Sequence[Sequence[Image.Image]], cell: tuple[int, int]) -> Image.Image:
    """The pictures, each as large as its cell allows and in the middle of it, on white."""
    width, height = (side + GAP for side in cell)
    sheet = Image.new("RGB", (len(rows[0]) * width + GAP, len(rows) * height + GAP), "white")
    for row, pictures in enumerate(rows):
        for column, picture in enumerate(pictures):
            fitted = picture.convert("RGB")
            fitted.thumbnail(cell, Image.Resampling.LANCZOS)
            left, top = (cell[0] - fitted.width) // 2, (cell[1] - fitted.height) // 2
            sheet.paste(fitted, (GAP + column * width + left, GAP + row * height + top))
    return sheet


if __name__ == "__main__":
    main()
