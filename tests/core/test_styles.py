import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.errors import UsageError
from core.styles import Style, StyleExemplar, as_styles, assign_regions, assign_style_masks, read_style, style_sizes


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to a folder with three images, one named like a weight, and with folders of two and no images."""
    monkeypatch.chdir(tmp_path)
    for name, color, size in (("a.png", 40, (40, 30)), ("b.png", 200, (20, 30)), ("c.jpg:2", 90, (20, 20))):
        Image.new("RGB", size, (color, color, color)).save(tmp_path / name, format="PNG")
    (tmp_path / "many").mkdir()
    for name in ("y.png", "x.png"):
        Image.new("RGB", (32, 20)).save(tmp_path / "many" / name)
    (tmp_path / "many" / "notes.txt").write_text("no image")
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
def test_parse_accepts_crops_weights_and_folders(text: str, style: Style, folder: Path) -> None:
    assert Style.parse(text) == style


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.png:0", "weight of a style is 0: expected a positive number"),
        ("a.png:1.2.3", "weight of a style is 1.2.3"),
        ("none", "folder none contains no images: expected files ending in .bmp"),
    ],
)
def test_parse_refuses_invalid_styles(text: str, message: str, folder: Path) -> None:
    with pytest.raises(UsageError, match=message):
        Style.parse(text)


IMAGE = Image.new("RGB", (20, 20))
NO_IMAGE = "is a int: expected a path, a PIL image or a NumPy array (H, W, C)"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"images": "a.png"}, "the images of a style are 'a.png': expected a tuple of images"),
        ({"images": np.zeros((20, 20))}, "the images of a style are array"),
        ({"images": (3,)}, f"style {NO_IMAGE}"),
        ({"images": (None,)}, "style is a NoneType: expected a path"),
        ({"weight": "x"}, "the weight of a style is 'x': expected a positive number"),
        ({"weight": None}, "the weight of a style is None: expected a positive number"),
        ({"weight": True}, "the weight of a style is True: expected a positive number"),
        ({"weight": float("nan")}, "the weight of a style is nan: expected a positive number"),
        ({"weight": 1e300}, "the weight of a style is 1e+300: expected a positive number from 1e-20 to 1e+20"),
        ({"weight": 1e-300}, "the weight of a style is 1e-300: expected a positive number from 1e-20 to 1e+20"),
        ({"weight": -1}, "the weight of a style is -1: expected a positive number"),
        ({"region": 3}, f"region mask {NO_IMAGE}"),
        ({"mask": 3}, f"style mask {NO_IMAGE}"),
        ({"crop": "1,2,3,4"}, "the crop of a style is '1,2,3,4': expected left, top, width and height in pixels"),
        ({"crop": (1, 2, 3)}, "the crop of a style is (1, 2, 3): expected left"),
        ({"crop": (1, 2, 3, 4.5)}, "the crop of a style is (1, 2, 3, 4.5): expected left"),
    ],
)
def test_values_of_another_type_are_refused(values: dict, message: str) -> None:
    with pytest.raises(UsageError) as error:
        Style(**{"images": (IMAGE,), **values})
    assert str(error.value).startswith(message)


def test_numbers_of_other_libraries_are_stored_as_numbers() -> None:
    style = Style([IMAGE], np.float32(0.5), crop=[np.int64(1), 2, 3, 4])  # type: ignore[arg-type]
    assert style == Style((IMAGE,), 0.5, crop=(1, 2, 3, 4))
    assert json.dumps((style.weight, style.crop)) == "[0.5, [1, 2, 3, 4]]"


def test_assign_regions_by_path_or_position(folder: Path) -> None:
    styles = (Style.parse("a.png:0.7"), Style.parse("b.png"))
    by_name = assign_regions(styles, ["sky.png=b.png"])
    assert [style.region for style in by_name] == [None, "sky.png"]
    assert assign_regions(styles, ["sky.png=2"]) == by_name
    assert assign_regions((), ["sky.png=a.png"]) == (Style(("a.png",), 1.0, "sky.png"),)
    with pytest.raises(UsageError, match="expected MASK=STYLE"):
        assign_regions(styles, ["sky.png"])


def test_assign_regions_accepts_two_regions_of_one_style(folder: Path) -> None:
    styles = assign_regions([Style.parse("a.png")], ["left.png=a.png", "right.png=a.png"])
    assert [style.region for style in styles] == ["left.png", "right.png"]


def test_a_region_means_the_style_with_its_crop_and_weight(folder: Path) -> None:
    styles = [Style.parse(text) for text in ("a.png@0,0,20,20", "a.png@9,9,20,20:0.3")]
    (first, second) = assign_regions(styles, ["sky.png=a.png@9,9,20,20"])
    assert (first.region, second.region) == (None, "sky.png")
    assert assign_regions(styles, ["sky.png=a.png@9,9,20,20:0.3"]) == (first, second)
    *same, added = assign_regions(styles, ["sky.png=a.png@5,5,20,20:0.4"])
    assert same == styles
    assert added == Style(("a.png",), 0.4, "sky.png", (5, 5, 20, 20))
    masked = assign_style_masks(styles, ["sky.png=a.png@9,9,20,20"])
    assert [style.mask for style in masked] == [None, "sky.png"]


def test_a_second_region_of_a_numbered_style_is_added(folder: Path) -> None:
    styles = assign_regions([Style.parse("a.png@0,0,20,20:0.3")], ["left.png=1", "right.png=1"])
    assert styles == tuple(Style(("a.png",), 0.3, region, (0, 0, 20, 20)) for region in ("left.png", "right.png"))


def test_assign_style_masks_by_path_or_position(folder: Path) -> None:
    styles = (Style.parse("a.png:0.7"), Style.parse("b.png"))
    by_name = assign_style_masks(styles, ["sky.png=b.png"])
    assert [style.mask for style in by_name] == [None, "sky.png"]
    assert assign_style_masks(styles, ["sky.png=2"]) == by_name
    twice = assign_regions((), ["left.png=a.png", "right.png=a.png"])
    masked = assign_style_masks(twice, ["sky.png=a.png", "sea.png=a.png"])
    assert [(style.region, style.mask) for style in masked] == [("left.png", "sky.png"), ("right.png", "sea.png")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sky.png", "--style-mask is 'sky.png': expected MASK=STYLE"),
        ("sky.png=c.png", "no style without a style mask is called 'c.png'"),
        ("sky.png=3", "no style without a style mask is called '3'"),
    ],
)
def test_assign_style_masks_refuses_other_text(text: str, message: str, folder: Path) -> None:
    with pytest.raises(UsageError, match=message):
        assign_style_masks([Style.parse("a.png"), Style.parse("b.png")], [text])


def test_as_styles_accepts_every_style_source() -> None:
    array = np.zeros((20, 20, 3))
    assert as_styles("a.png") == (Style(("a.png",)),)
    assert as_styles(Style(("a.png",))) == (Style(("a.png",)),)
    assert as_styles([Style(("a.png",), 2), "b.png"]) == (Style(("a.png",), 2), Style(("b.png",)))
    assert as_styles(array)[0].images[0] is array
    with pytest.raises(UsageError, match="no style was given"):
        as_styles([])
    for source in (3, None, [3]):
        with pytest.raises(UsageError, match=r"^style is a \w+: expected a path, a PIL image or a NumPy array"):
            as_styles(source)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="a style has no image: give at least one"):
        Style(())


def test_read_style_crops_the_images(folder: Path) -> None:
    Image.fromarray(np.arange(40 * 30, dtype=np.uint8).reshape(30, 40)).save("ramp.png")
    style = Style.parse("ramp.png@3,5,20,18")
    exemplar = read_style(style)
    assert style_sizes(style) == ((20, 18),)
    assert exemplar.images[0].shape == (1, 3, 18, 20)
    np.testing.assert_array_equal(exemplar.images[0], read_style(Style(("ramp.png",))).images[0][..., 5:23, 3:23])
    with pytest.raises(UsageError, match=r"the crop 30,5,20,18 exceeds style ramp\.png of 40x30 px"):
        read_style(Style.parse("ramp.png@30,5,20,18"))
    with pytest.raises(UsageError, match=r"the crop -5,5,20,18 exceeds"):
        read_style(Style(("ramp.png",), crop=(-5, 5, 20, 18)))


def test_read_style_reads_the_region_mask(folder: Path) -> None:
    mask = np.zeros((4, 6), np.uint8)
    mask[:, 3:] = 255
    Image.fromarray(mask).save("mask.png")
    exemplar = read_style(Style(("a.png",), 0.5, "mask.png"))
    assert exemplar.weight == 0.5
    np.testing.assert_array_equal(exemplar.mask, mask[None, None] / 255)


def test_read_style_gives_the_style_mask_the_size_and_the_crop_of_the_image() -> None:
    mask = np.zeros((10, 20), np.uint8)
    mask[:, 10:] = 255
    exemplar = read_style(Style((np.zeros((40, 80, 3)),), crop=(30, 0, 20, 40), mask=mask))
    assert exemplar.style_mask.shape == (1, 1, 40, 20)
    assert exemplar.style_mask[..., :6].max() < 0.05 and exemplar.style_mask[..., 14:].min() > 0.95
    with pytest.raises(UsageError, match="the style mask is black in all of the crop"):
        read_style(Style((np.zeros((40, 80, 3)),), crop=(0, 0, 20, 40), mask=mask))


def test_a_style_mask_is_for_one_image() -> None:
    with pytest.raises(UsageError, match="a style of 2 images has a style mask"):
        Style(("a.png", "b.png"), mask="mask.png")


def test_resized_averages_masks_over_area() -> None:
    mask = np.zeros((1, 1, 8, 8), np.float32)
    mask[..., 4:] = 1
    exemplar = StyleExemplar((np.zeros((1, 3, 8, 8), np.float32),), mask=mask, style_mask=mask)
    resized = exemplar.resized((4, 2), [(6, 4)])
    assert resized.images[0].shape == (1, 3, 4, 6)
    for found, shape in ((resized.mask, (1, 1, 2, 4)), (resized.style_mask, (1, 1, 4, 6))):
        assert found is not None and found.shape == shape
        assert found.mean() == pytest.approx(0.5, abs=1e-6)
        assert 0 <= found.min() <= found.max() <= 1


def test_resized_without_masks_has_none() -> None:
    resized = StyleExemplar((np.zeros((1, 3, 4, 4), np.float32),)).resized((8, 8), [(4, 4)])
    assert resized.mask is None and resized.style_mask is None


@pytest.mark.parametrize(
    ("images", "name"),
    [
        (("photos/a.png",), "a"),
        (("photos/a.png", "photos/b.png"), "photos"),
        ((np.zeros((20, 20, 3)),), "style"),
    ],
)
def test_name_is_that_of_the_file_or_folder(images: tuple, name: str) -> None:
    assert Style(images).name == name
