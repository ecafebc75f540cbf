"""Pairs of folders, of files, and of a file that lists them."""

from pathlib import Path

import pytest
from PIL import Image

from bench.quality.grid import make_pairs
from core.errors import UsageError


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two photographs, and two paintings beside a text file."""
    for name in ("photos/b.png", "photos/a.jpg", "paintings/x.png", "paintings/y.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (40, 20)).save(path)
    (tmp_path / "paintings" / "notes.txt").write_text("no image")
    return tmp_path / "photos", tmp_path / "paintings"


def test_make_pairs_returns_the_whole_grid(folders: tuple[Path, Path]) -> None:
    photos, paintings = folders
    assert [pair.name for pair in make_pairs(photos, paintings)] == ["a--x", "a--y", "b--x", "b--y"]
    (pair,) = make_pairs(photos / "a.jpg", paintings / "y.png")
    assert (pair.content, pair.style) == (photos / "a.jpg", paintings / "y.png")
    assert pair.fitted_sizes(32) == ((32, 16), (32, 16))


def test_pairs_file_restricts_the_grid(folders: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "pairs.txt").write_text("b.png, x.png\n\na.jpg\ty.png\n")
    assert [pair.name for pair in make_pairs(*folders, tmp_path / "pairs.txt")] == ["b--x", "a--y"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.jpg,x.png\na.jpg\n", "line 2 of {} has 1 fields: expected a content and a style"),
        ("a.jpg,x.png,y.png\n", "line 1 of {} has 3 fields"),
        ("c.jpg,x.png\n", "line 1 of {} names the content 'c.jpg', which is none of the 2 content images"),
        ("a.jpg,notes.txt\n", "line 1 of {} names the style 'notes.txt', which is none of the 2 style images"),
        ("a.jpg,x.png\na.jpg,x.png\n", "two pairs have the name 'a--x': rename a file, or list a pair once"),
        ("\n", "--pairs {} is empty"),
    ],
)
def test_bad_lines_are_refused(folders: tuple[Path, Path], tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "pairs.txt"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        make_pairs(*folders, path)
    assert str(caught.value).startswith(message.format(path))


def test_missing_files_and_folders_are_refused(folders: tuple[Path, Path], tmp_path: Path) -> None:
    photos, paintings = folders
    (tmp_path / "empty").mkdir()
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match=r"CONTENTS is .*none, which does not exist"):
        make_pairs(tmp_path / "none", paintings)
    with pytest.raises(UsageError, match=r"STYLES is .*empty, a folder without images"):
        make_pairs(photos, tmp_path / "empty")
    with pytest.raises(UsageError, match=r"cannot read --pairs .*none: No such file"):
        make_pairs(photos, paintings, tmp_path / "none")
    with pytest.raises(UsageError, match=r"--pairs .*binary is not a text file"):
        make_pairs(photos, paintings, tmp_path / "binary")


def test_files_that_would_share_a_picture_are_refused(folders: tuple[Path, Path]) -> None:
    photos, paintings = folders
    Image.new("RGB", (40, 20)).save(photos / "A.png")
    with pytest.raises(UsageError, match=r"two pairs have the name"):
        make_pairs(photos, paintings)
