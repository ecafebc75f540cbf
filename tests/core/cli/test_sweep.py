"""Which paintings a batch consists of: names, values and files, without painting anything."""

from pathlib import Path

import pytest
from PIL import Image

from core.cli.sweep import find_images, plan_batch, sweep
from core.config.transfer_config import TransferConfig
from core.errors import UsageError

CONFIG = TransferConfig(image_size=48)


def empty(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return [folder / name for name in names]


def test_files_folders_and_globs_name_pictures(tmp_path: Path) -> None:
    b, a, _, deep, _ = empty(tmp_path, "b.jpg", "a.PNG", "notes.txt", "deep/c.webp", "deep/d.txt")
    assert find_images([str(tmp_path)], "style") == [a, b]
    assert find_images([str(tmp_path / "*.jpg"), str(a), str(tmp_path)], "style") == [b, a]
    assert find_images([str(tmp_path / "**" / "*.webp")], "style") == [deep]


def test_a_file_whose_name_looks_like_a_glob_is_that_file(tmp_path: Path) -> None:
    bracket, _ = empty(tmp_path, "a[1].jpg", "a1.jpg")
    assert find_images([str(bracket)], "content") == [bracket]


@pytest.mark.parametrize("text", ["missing.jpg", "*.png", "."])
def test_what_names_no_picture_is_refused(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="names no picture"):
        find_images([text], "content")
    with pytest.raises(UsageError, match="add --content"):
        find_images([], "content")


def test_sweeps_multiply() -> None:
    variants = sweep(CONFIG, ["strength=0.2,0.8", "preserve-color=none,match"])
    assert [variant.label for variant in variants] == [
        "strength=0.2-preserve-color=none",
        "strength=0.2-preserve-color=match",
        "strength=0.8-preserve-color=none",
        "strength=0.8-preserve-color=match",
    ]
    assert [(variant.config.strength, variant.config.preserve_color) for variant in variants] == [
        (0.2, "none"), (0.2, "match"), (0.8, "none"), (0.8, "match"),
    ]  # fmt: skip
    assert {variant.config.image_size for variant in variants} == {48}
    assert [(variant.label, variant.config) for variant in sweep(CONFIG, [])] == [("", CONFIG)]


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        (["colour=1"], "expected OPTION=VALUE,VALUE with one of image_size"),
        (["strength"], "expected different values"),
        (["strength=0.2,,0.3"], "expected different values"),
        (["strength=0.2,0.2"], "expected different values"),
        (["strength=0.2,high"], "--strength is high"),
        (["iterations=10,0"], "--iterations is 0"),
        (["seed=1", "seed=2"], "names seed twice"),
    ],
)
def test_a_sweep_that_cannot_work_is_refused(texts: list[str], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        sweep(CONFIG, texts)


def test_every_content_meets_every_style_under_a_name_of_its_own(tmp_path: Path) -> None:
    contents = empty(tmp_path, "cat.jpg", "cat.png", "cat-glass.jpg")
    styles = empty(tmp_path / "styles", "glass.jpg", "Glass.png", "glass-ink.jpg", "ink.jpg")
    paintings = plan_batch(contents, styles, sweep(CONFIG, ["seed=1,2"]), tmp_path / "out")
    assert len(paintings) == 3 * 4 * 2
    assert {(one.content, one.style, one.variant.label) for one in paintings} == {
        (content, style, label) for content in contents for style in styles for label in ("seed=1", "seed=2")
    }
    names = [painting.output.name for painting in paintings]
    assert len({name.casefold() for name in names}) == len(names)
    assert names[0] == "cat-glass-seed=1.png"
    assert {painting.output.parent for painting in paintings} == {tmp_path / "out"}
    assert not (tmp_path / "out").exists()


def test_a_value_that_is_a_path_makes_no_folders(tmp_path: Path) -> None:
    (content,) = empty(tmp_path, "cat.jpg")
    (painting,) = plan_batch([content], [content], sweep(CONFIG, ["init=starts/first one.png"]), tmp_path / "out")
    assert painting.output == tmp_path / "out" / "cat-cat-init=starts_first_one.png.png"


def test_no_painting_takes_the_place_of_a_picture(tmp_path: Path) -> None:
    pictures = empty(tmp_path, "cat.png", "cat-glass.png", "glass.jpg")
    with pytest.raises(UsageError, match=r"cat-glass\.png is one of the pictures"):
        plan_batch(pictures[:2], pictures[2:], sweep(CONFIG, []), tmp_path)


def test_the_folder_must_not_be_a_file(tmp_path: Path) -> None:
    content, file = empty(tmp_path, "cat.png", "file")
    with pytest.raises(UsageError, match="is a file, not a folder"):
        plan_batch([content], [content], sweep(CONFIG, []), file)


def test_a_picture_without_a_record_is_not_finished(tmp_path: Path, content_path: Path, style_path: Path) -> None:
    (painting,) = plan_batch([content_path], [style_path], sweep(CONFIG, []), tmp_path)
    assert not painting.is_finished()
    Image.new("RGB", (48, 32)).save(painting.output)
    assert not painting.is_finished()
    painting.output.write_bytes(b"no picture")
    assert not painting.is_finished()
