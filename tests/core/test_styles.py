from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.errors import UsageError
from core.styles import Style, StyleExemplar, as_styles, assign_regions, read_style, style_sizes


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two pictures, a folder of two, a folder of none, and a picture whose name ends like a weight."""
    monkeypatch.chdir(tmp_path)
    for name, colour, size in (("a.png", 40, (40, 30)), ("b.png", 200, (20, 30)), ("c.jpg:2", 90, (20, 20))):
        Image.new("RGB", size, (colour, colour, colour)).save(tmp_path / name, format="PNG")
    (tmp_path / "many").mkdir()
    for name in ("y.png", "x.png"):
        Image.new("RGB", (32, 20)).save(tmp_path / "many" / name)
    (tmp_path / "many" / "notes.txt").write_text("no picture")
    (tmp_path / "none").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("text", "style"),
    [
        ("a.png", Style(("a.png",))),
        ("a.png:0.7", Style(("a.png",), 0.7)),
        ("a.png:3e-1", Style(("a.png",), 0.3)),
        ("a.png@1,2,20,16:2", Style(("a.png",), 2.0, None, (1, 2, 20, 16))),
        ("c.jpg:2", Style(("c.jpg:2",))),
        ("many:0.5", Style(("many/x.png", "many/y.png"), 0.5)),
        ("C:\\pictures\\a.png", Style(("C:\\pictures\\a.png",))),
    ],
)
def test_what_a_style_may_be_called(text: str, style: Style, folder: Path) -> None:
    assert Style.parse(text) == style


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a.png:0", "weight of a style is 0: expected a positive number"),
        ("a.png:1.2.3", "weight of a style is 1.2.3"),
        ("none", "folder none holds no pictures"),
    ],
)
def test_what_cannot_be_a_style_is_refused(text: str, sentence: str, folder: Path) -> None:
    with pytest.raises(UsageError, match=sentence):
        Style.parse(text)


def test_a_region_goes_to_the_style_it_names(folder: Path) -> None:
    styles = (Style.parse("a.png:0.7"), Style.parse("b.png"))
    by_name = assign_regions(styles, ["sky.png=b.png"])
    assert [style.region for style in by_name] == [None, "sky.png"]
    assert assign_regions(styles, ["sky.png=2"]) == by_name
    assert assign_regions((), ["sky.png=a.png"]) == (Style(("a.png",), 1.0, "sky.png"),)
    with pytest.raises(UsageError, match="expected MASK=STYLE"):
        assign_regions(styles, ["sky.png"])


def test_one_picture_may_have_two_regions(folder: Path) -> None:
    styles = assign_regions([Style.parse("a.png")], ["left.png=a.png", "right.png=a.png"])
    assert [style.region for style in styles] == ["left.png", "right.png"]


def test_what_stylize_takes() -> None:
    array = np.zeros((20, 20, 3))
    assert as_styles("a.png") == (Style(("a.png",)),)
    assert as_styles(Style(("a.png",))) == (Style(("a.png",)),)
    assert as_styles([Style(("a.png",), 2), "b.png"]) == (Style(("a.png",), 2), Style(("b.png",)))
    assert as_styles(array)[0].images[0] is array
    with pytest.raises(UsageError, match="no style was given"):
        as_styles([])
    with pytest.raises(UsageError, match="without a picture"):
        Style(())


def test_a_crop_is_the_part_that_counts(folder: Path) -> None:
    Image.fromarray(np.arange(40 * 30, dtype=np.uint8).reshape(30, 40)).save("ramp.png")
    style = Style.parse("ramp.png@3,5,20,18")
    exemplar = read_style(style)
    assert style_sizes(style) == ((20, 18),)
    assert exemplar.images[0].shape == (1, 3, 18, 20)
    np.testing.assert_array_equal(exemplar.images[0], read_style(Style(("ramp.png",))).images[0][..., 5:23, 3:23])
    with pytest.raises(UsageError, match="crop 30,5,20,18 does not lie in a style of 40x30 px"):
        read_style(Style.parse("ramp.png@30,5,20,18"))


def test_a_mask_is_brightness_and_what_is_transparent_is_black(folder: Path) -> None:
    pixels = np.zeros((2, 2, 4), np.uint8)
    pixels[0, 0] = pixels[0, 1] = (255, 255, 255, 255)
    pixels[1, 0] = (255, 255, 255, 0)
    pixels[1, 1] = (0, 0, 0, 255)
    Image.fromarray(pixels).save("mask.png")
    exemplar = read_style(Style(("a.png",), 1.0, "mask.png"))
    assert exemplar.mask is not None
    np.testing.assert_array_equal(exemplar.mask[0, 0], [[1, 1], [0, 0]])
    assert exemplar.masked((4, 4)).mask.shape == (1, 1, 4, 4)
    Image.new("L", (8, 8)).save("black.png")
    with pytest.raises(UsageError, match="black throughout"):
        read_style(Style(("a.png",), 1.0, "black.png"))
    with pytest.raises(UsageError, match=r"region missing\.png does not exist"):
        read_style(Style(("a.png",), 1.0, "missing.png"))


def test_a_style_everywhere_has_no_mask_at_any_size() -> None:
    exemplar = StyleExemplar((np.zeros((1, 3, 4, 4), np.float32),))
    assert exemplar.masked((8, 8)) is exemplar
