"""Draw the first image of the README, the contact sheet in `docs/`, and the example result of the web page.

python examples/sheets.py
"""

from pathlib import Path

from core import TransferConfig, stylize
from core.image.contact_sheet import Cell, draw_contact_sheet
from core.image.reading import read_image
from core.image.writing import write_image

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs"

CONTENTS = ("coffee", "cat", "rocket")
STYLES = ("van-gogh-church", "van-gogh-harvest", "night", "glass")
FIRST = TransferConfig.effort("draft")
SMALL = TransferConfig.effort("draft", image_size=384)


def main() -> None:
    """Write the images. Results in `examples/results` are not computed again."""
    first = [_input("content", "cat"), _input("style", "van-gogh-church"), _result("cat", "van-gogh-church", FIRST)]
    draw_contact_sheet([first], (451, 300)).save(DOCS / "before-after.jpg", quality=90)
    write_image(HERE / "finished" / "cat-van-gogh-church.jpg", read_image(first[-1].image).pixels, quality=90)
    styles = [Cell(), *(_input("style", style) for style in STYLES)]
    rows = [[_input("content", name), *(_result(name, style, SMALL) for style in STYLES)] for name in CONTENTS]
    draw_contact_sheet([styles, *rows], (384, 288)).save(DOCS / "contact-sheet.jpg", quality=88)


def _path(kind: str, name: str) -> Path:
    return HERE / kind / f"{name}.jpg"


def _input(kind: str, name: str) -> Cell:
    return Cell(_path(kind, name))


def _result(content: str, style: str, config: TransferConfig) -> Cell:
    path = HERE / "results" / f"{content}-{style}-{config.image_size}.png"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        stylize(_path("content", content), _path("style", style), config).save(path)
    return Cell(path)


if __name__ == "__main__":
    main()
