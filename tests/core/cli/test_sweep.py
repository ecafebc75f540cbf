"""The items of a batch: input files, option values and output names, without a run."""

from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from core.cli.saving import check_replaceable
from core.cli.sweep import expand_sweeps, find_images, plan_batch
from core.config.transfer_config import TransferConfig
from core.errors import UsageError

CONFIG = TransferConfig(image_size=48)


def empty(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return [folder / name for name in names]


def test_find_images_expands_files_directories_and_globs(tmp_path: Path) -> None:
    b, a, _, deep, _ = empty(tmp_path, "b.jpg", "a.PNG", "notes.txt", "deep/c.webp", "deep/d.txt")
    assert find_images([str(tmp_path)], "style") == [a, b]
    assert find_images([str(tmp_path / "*.jpg"), str(a), str(tmp_path)], "style") == [b, a]
    assert find_images([str(tmp_path / "**" / "*.webp")], "style") == [deep]


def test_find_images_prefers_an_existing_file_to_a_glob(tmp_path: Path) -> None:
    bracket, _ = empty(tmp_path, "a[1].jpg", "a1.jpg")
    assert find_images([str(bracket)], "content") == [bracket]


@pytest.mark.parametrize("text", ["missing.jpg", "*.png", "."])
def test_find_images_refuses_names_without_images(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="matches no image"):
        find_images([text], "content")
    with pytest.raises(UsageError, match="add --content"):
        find_images([], "content")


def test_expand_sweeps_returns_all_combinations() -> None:
    variants = expand_sweeps(CONFIG, ["strength=0.2,0.8", "preserve-color=none,match"])
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
    assert [(variant.label, variant.config) for variant in expand_sweeps(CONFIG, [])] == [("", CONFIG)]


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        (["color=1"], "expected OPTION=VALUE,VALUE with one of image_size"),
        (["strength"], "expected different values"),
        (["strength=0.2,,0.3"], "expected different values"),
        (["strength=0.2,0.2"], "expected different values"),
        (["strength=0.2,high"], "--strength is high"),
        (["iterations=10,0"], "--iterations is 0"),
        (["seed=1", "seed=2"], "is given twice for seed"),
        (["painter=a.onnx,b.onnx"], "cannot vary painter"),
    ],
)
def test_expand_sweeps_refuses_invalid_sweeps(texts: list[str], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        expand_sweeps(CONFIG, texts)


def test_plan_batch_gives_every_combination_a_unique_output(tmp_path: Path) -> None:
    contents = empty(tmp_path, "cat.jpg", "cat.png", "cat-glass.jpg")
    styles = empty(tmp_path / "styles", "glass.jpg", "Glass.png", "glass-ink.jpg", "ink.jpg")
    items = plan_batch(contents, styles, expand_sweeps(CONFIG, ["seed=1,2"]), tmp_path / "out")
    assert len(items) == 3 * 4 * 2
    assert {(item.content, item.style, item.variant.label) for item in items} == {
        (content, style, label) for content in contents for style in styles for label in ("seed=1", "seed=2")
    }
    names = [item.output.name for item in items]
    assert len({name.casefold() for name in names}) == len(names)
    assert names[0] == "cat-glass-seed=1.png"
    assert {item.output.parent for item in items} == {tmp_path / "out"}
    assert not (tmp_path / "out").exists()


def test_plan_batch_replaces_separators_in_output_names(tmp_path: Path) -> None:
    (content,) = empty(tmp_path, "cat.jpg")
    (item,) = plan_batch([content], [content], expand_sweeps(CONFIG, ["init=starts/first one.png"]), tmp_path / "out")
    assert item.output == tmp_path / "out" / "cat-cat-init=starts_first_one.png.png"


def test_plan_batch_refuses_to_overwrite_an_input(tmp_path: Path) -> None:
    images = empty(tmp_path, "cat.png", "cat-glass.png", "glass.jpg")
    with pytest.raises(UsageError, match=r"refusing to overwrite .*cat-glass\.png"):
        plan_batch(images[:2], images[2:], expand_sweeps(CONFIG, []), tmp_path)


def test_plan_batch_refuses_a_file_as_output_directory(tmp_path: Path) -> None:
    content, file = empty(tmp_path, "cat.png", "file")
    with pytest.raises(UsageError, match="is a file, not a folder"):
        plan_batch([content], [content], expand_sweeps(CONFIG, []), file)


def test_item_without_a_record_in_its_output_is_not_finished(
    tmp_path: Path, content_path: Path, style_path: Path
) -> None:
    (item,) = plan_batch([content_path], [style_path], expand_sweeps(CONFIG, []), tmp_path)
    assert not item.is_finished()
    Image.new("RGB", (48, 32)).save(item.output)
    assert not item.is_finished()
    item.output.write_bytes(b"no image")
    assert not item.is_finished()


def test_plan_batch_refuses_output_names_that_are_too_long(tmp_path: Path) -> None:
    (short, long) = empty(tmp_path, "cat.jpg", "x" * 200 + ".jpg")
    with pytest.raises(UsageError, match=r"cannot write .*xx-x.*: File name too long; choose a shorter name"):
        plan_batch([short, long], [short, long], expand_sweeps(CONFIG, []), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "record", ['{"config": []}', '{"stopped": false, "config": [1]}', '{"stopped": 0, "styles": 5}']
)
def test_output_with_another_kind_of_record_is_not_finished(
    record: str, tmp_path: Path, content_path: Path, style_path: Path
) -> None:
    (item,) = plan_batch([content_path], [style_path], expand_sweeps(CONFIG, []), tmp_path)
    text = PngImagePlugin.PngInfo()
    text.add_itxt("style-transfer", record)
    Image.new("RGB", (48, 32)).save(item.output, pnginfo=text)
    assert not item.is_finished()
    check_replaceable(item.output, "--output directory")
