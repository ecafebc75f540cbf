"""Sheets of plain images, whose colours show which picture is where."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from bench.quality.blind_key import Key
from bench.quality.grid import Pair
from bench.quality.sheets import write_blind_sheets, write_contact_sheets
from core.errors import UsageError

COLORS = {"content": (200, 200, 0), "style": (0, 200, 200), "ours": (200, 0, 0), "theirs": (0, 0, 200)}
SIZE = (60, 40)


@pytest.fixture
def pairs(tmp_path: Path) -> list[Pair]:
    found = []
    for number in range(12):
        pair = Pair(tmp_path / f"content{number // 2}.png", tmp_path / f"style{number}.png")
        Image.new("RGB", SIZE, COLORS["content"]).save(pair.content)
        Image.new("RGB", SIZE, COLORS["style"]).save(pair.style)
        found.append(pair)
    return found


def picture(name: str, pair: Pair) -> Image.Image:
    return Image.new("RGB", SIZE, COLORS[name])


def shown(path: Path, row: int, columns: int, cell: tuple[int, int] = SIZE) -> list[str]:
    """Names of the images in a row of a sheet, by the colours at the middles of its cells."""
    with Image.open(path) as sheet:
        image = sheet.convert("RGB")
    names = {color: name for name, color in COLORS.items()}
    rows = [
        12 + (cell[1] + 32) * row + cell[1] // 2,
        *[12 + (cell[0] + 12) * it + cell[0] // 2 for it in range(columns)],
    ]
    return [names[image.getpixel((x, rows[0]))] for x in rows[1:]]  # type: ignore[index]


def test_contact_sheets_have_a_row_per_pair(pairs: Sequence[Pair], tmp_path: Path) -> None:
    write_contact_sheets(tmp_path / "sheets", pairs[:3], ["ours", "theirs"], picture)
    assert sorted(path.name for path in (tmp_path / "sheets").iterdir()) == ["content0.png", "content1.png"]
    for row in range(2):
        assert shown(tmp_path / "sheets" / "content0.png", row, 4, (320, 320)) == list(COLORS)


def test_blind_sheets_show_what_the_key_says(pairs: Sequence[Pair], tmp_path: Path) -> None:
    write_blind_sheets(tmp_path / "blind", pairs, ["ours", "theirs"], picture, seed=0)
    key = Key.read(tmp_path / "blind" / "keys" / "ours-vs-theirs.tsv")
    sheets = sorted((tmp_path / "blind" / "ours-vs-theirs").iterdir())
    assert [path.name for path in sheets] == sorted(f"{pair.name}.png" for pair in pairs)
    for path in sheets:
        assert shown(path, 0, 2) == ["content", "style"]
        order = ["ours", "theirs"] if key.letters[path.stem] == "A" else ["theirs", "ours"]
        assert shown(path, 1, 2) == order
        with Image.open(path) as sheet:
            assert set(sheet.info) <= {"icc_profile"}
    assert set(key.letters.values()) == {"A", "B"}


def test_every_two_programs_have_sheets(pairs: Sequence[Pair], tmp_path: Path) -> None:
    write_blind_sheets(tmp_path, pairs[:1], ["ours", "content", "style"], picture, seed=0)
    comparisons = {"ours-vs-content", "ours-vs-style", "content-vs-style"}
    assert {path.stem for path in (tmp_path / "keys").iterdir()} == comparisons
    assert {path.name for path in tmp_path.iterdir() if path.name.count("-vs-")} == comparisons


def test_more_pairs_keep_the_sheets_of_earlier_ones(pairs: Sequence[Pair], tmp_path: Path) -> None:
    path = tmp_path / "blind" / "keys" / "ours-vs-theirs.tsv"
    write_blind_sheets(tmp_path / "blind", pairs[:8], ["ours", "theirs"], picture, seed=3)
    earlier = Key.read(path).letters
    write_blind_sheets(tmp_path / "blind", pairs[4:], ["ours", "theirs"], picture, seed=3)
    assert {name: Key.read(path).letters[name] for name in earlier} == earlier
    assert len(Key.read(path).letters) == 12


def test_another_seed_is_another_order_and_refused_for_existing_sheets(pairs: Sequence[Pair], tmp_path: Path) -> None:
    keys = []
    for seed in (1, 2):
        write_blind_sheets(tmp_path / str(seed), pairs, ["ours", "theirs"], picture, seed=seed)
        keys.append(Key.read(tmp_path / str(seed) / "keys" / "ours-vs-theirs.tsv").letters)
    assert keys[0] != keys[1]
    sheet = tmp_path / "1" / "ours-vs-theirs" / f"{pairs[0].name}.png"
    before = sheet.read_bytes()
    with pytest.raises(UsageError, match="belongs to sheets of another --seed, which may have been judged"):
        write_blind_sheets(tmp_path / "1", pairs, ["ours", "theirs"], picture, seed=2)
    assert sheet.read_bytes() == before
