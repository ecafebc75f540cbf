"""Sheets of pictures: contact sheets, and blind sheets for judges with their keys."""

import random
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path

from PIL import Image

from bench.quality.blind_key import LETTERS, Key
from bench.quality.grid import Pair
from bench.quality.programs import VERSUS
from core.errors import UsageError
from core.image.contact_sheet import Cell, draw_contact_sheet
from core.image.reading import read_image
from core.image.resize import fit_size
from core.image.writing import write_image

CONTACT_CELL = (320, 320)
"""Width and height of a picture on a contact sheet, in pixels."""

BLIND_SIDE = 640
"""Largest long side of a picture on a blind sheet, in pixels."""

Pictures = Callable[[str, Pair], Image.Image]
"""Returns the picture of a program for a pair; the pictures of a pair have the same size."""


def write_contact_sheets(folder: Path, pairs: Sequence[Pair], names: Sequence[str], pictures: Pictures) -> None:
    """Write a sheet CONTENT.png for each content: its pairs as rows; content, style and every program as columns."""
    for content in dict.fromkeys(pair.content.stem for pair in pairs):
        rows = [
            [
                Cell(pair.content, pair.content.stem),
                Cell(pair.style, pair.style.stem),
                *(Cell(pictures(name, pair), name) for name in names),
            ]
            for pair in pairs
            if pair.content.stem == content
        ]
        _write(folder / f"{content}.png", draw_contact_sheet(rows, CONTACT_CELL))


def write_blind_sheets(
    folder: Path, pairs: Sequence[Pair], names: Sequence[str], pictures: Pictures, *, seed: int
) -> None:
    """Write blind sheets for every two programs: FIRST-vs-SECOND/PAIR.png in `folder`, the key in keys/.

    A sheet shows content and style above, and the pictures of the two programs below as A and B. A random number of
    the seed and the name of the sheet decides which program is A, so that more pairs do not change the other sheets.
    A judge must not see the keys.

    Raises:
        UsageError: A key in the folder was written with another seed.
    """
    for first, second in combinations(names, 2):
        comparison = f"{first}{VERSUS}{second}"
        key_file = folder / "keys" / f"{comparison}.tsv"
        key = _draw_lots(first, second, [pair.name for pair in pairs], seed)
        merged = _with_earlier_sheets(key, key_file)
        for pair in pairs:
            order = (first, second) if key.letters[pair.name] == "A" else (second, first)
            sheet = _blind_sheet(pair, [pictures(name, pair) for name in order])
            _write(folder / comparison / f"{pair.name}.png", sheet)
        merged.write(key_file)


def _draw_lots(first: str, second: str, sheets: Sequence[str], seed: int) -> Key:
    letters = {sheet: random.Random(f"{seed} {first}{VERSUS}{second} {sheet}").choice(LETTERS) for sheet in sheets}
    return Key((first, second), letters)


def _with_earlier_sheets(key: Key, path: Path) -> Key:
    """Return the key with the lines that the file at `path` has for other pairs, whose sheets remain."""
    earlier = Key.read(path).letters if path.exists() else {}
    if any(earlier.get(sheet, letter) != letter for sheet, letter in key.letters.items()):
        raise UsageError(f"{path} belongs to sheets of another --seed, which may have been judged: repeat that seed")
    return Key(key.programs, {**earlier, **key.letters})


def _blind_sheet(pair: Pair, results: Sequence[Image.Image]) -> Image.Image:
    cell = fit_size(results[0].size, BLIND_SIDE, "long")
    inputs = [Cell(pair.content, "content"), Cell(pair.style, "style")]
    return draw_contact_sheet(
        [inputs, [Cell(image, letter) for image, letter in zip(results, "AB", strict=True)]], cell
    )


def _write(path: Path, sheet: Image.Image) -> None:
    write_image(path, read_image(sheet).pixels)
