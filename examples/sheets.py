"""Paint the pictures shown in `docs/`, and lay them out: the README's first picture and a contact sheet."""

from pathlib import Path

from core import TransferConfig, style_transfer as stylize
from core.image.contact_sheet import Cell, draw_contact_sheet

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs"

CONTENTS = ("coffee", "cat", "rocket")
STYLES = ("night", "glass", "woodcut", "autumn")
FIRST = TransferConfig(iterations=100)
SMALL = TransferConfig(image_size=384, iterations=60)


def main() -> None:
    """Write both sheets; paintings that are in `examples/painted` are not painted again."""
    first = [_source("content", "cat"), _source("style", "glass"), _painting("cat", "glass", FIRST)]
    draw_contact_sheet([first], (451, 300)).save(DOCS / "before-after.jpg", quality=90)
    styles = [Cell(), *(_source("style", style) for style in STYLES)]
    rows = [[_source("content", name), *(_painting(name, style, SMALL) for style in STYLES)] for name in CONTENTS]
    draw_contact_sheet([styles, *rows], (384, 288)).save(DOCS / "contact-sheet.jpg", quality=88)


def _path(kind: str, name: str) -> Path:
    return HERE / kind / f"{name}.jpg"


def _source(kind: str, name: str) -> Cell:
    return Cell(_path(kind, name))


def _painting(content: str, style: str, config: TransferConfig) -> Cell:
    path = HERE / "painted" / f"{content}-{style}-{config.image_size}.png"
    if not path.exists():
        stylize(_path("content", content), _path("style", style), config).save(path)
    return Cell(path)


if __name__ == "__main__":
    main()
