"""The example images of a page."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.errors import UsageError
from export.web.examples import MAX_COUNT, SIZE, copy_examples


def write_image(path: Path, size: tuple[int, int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def test_copy_examples_resizes_the_first_images(tmp_path: Path) -> None:
    source, page = tmp_path / "source", tmp_path / "page"
    for i in range(MAX_COUNT + 1):
        write_image(source / "content" / f"image{i}.png", (40, 30))
    write_image(source / "style" / "large.png", (600, 300))
    (source / "style" / ".hidden").write_text("no image")
    paths = copy_examples(page, source)
    assert paths == {
        "content": [f"examples/content/image{i}.jpg" for i in range(MAX_COUNT)],
        "style": ["examples/style/large.jpg"],
    }
    written = {path.relative_to(page).as_posix() for path in page.rglob("*.*")}
    assert written == {*paths["content"], *paths["style"]}
    with Image.open(page / "examples" / "style" / "large.jpg") as image:
        assert (image.format, image.size) == ("JPEG", (SIZE, SIZE // 2))
    with Image.open(page / "examples" / "content" / "image0.jpg") as image:
        assert image.size == (40, 30)


def test_copy_examples_rejects_a_folder_without_styles(tmp_path: Path) -> None:
    write_image(tmp_path / "content" / "image.png", (40, 30))
    with pytest.raises(UsageError) as error:
        copy_examples(tmp_path / "page", tmp_path)
    assert str(error.value) == f"{tmp_path} has no folder style: expected folders of images named content and style"


@pytest.mark.parametrize("other", ["cat.png", "Cat.jpg"])
def test_copy_examples_rejects_two_images_of_one_name(other: str, tmp_path: Path) -> None:
    for name in ("cat.bmp", other):
        write_image(tmp_path / "content" / name, (40, 30))
    with pytest.raises(
        UsageError, match=r"(cat|Cat)\.\w+ and cat\.\w+ would both be (cat|Cat)\.jpg in the page: rename"
    ):
        copy_examples(tmp_path / "page", tmp_path)
