"""Uploaded images and the directory of a visitor."""

import tempfile
from pathlib import Path

import pytest
from PIL import Image

from core.errors import UsageError
from core.webapp.uploads import (
    DISPLAY_SIDE,
    SessionDir,
    find_example,
    find_samples,
    read_sample,
    read_upload,
    safe_name,
)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("cat.jpg", "cat.jpg"),
        ("../../etc/a.png", "a.png"),
        ("C:\\b.png", "b.png"),
        ("--a=b:1,2.png", "a-b-1-2.png"),
        (".png", "png"),
        ("/", "image"),
        ("猫 1.jpg", "猫 1.jpg"),
        ("x" * 300 + ".jpg", "x" * 96 + ".jpg"),
        ("猫" * 100 + ".jpg", "猫" * 32 + ".jpg"),
        ("a" + "-" * 98 + ".j", "j"),
        ("a\x9bb\ud800.png", "a-b?.png"),
    ],
)
def test_safe_name_removes_directories_and_separators(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_session_dir_reads_each_upload_once_and_deletes_its_files(content_path: Path) -> None:
    session, reads = SessionDir(), []

    def read() -> bytes:
        reads.append(1)
        return content_path.read_bytes()

    first, again = (session.add("1", "cup.png", read, "content image") for _ in range(2))
    assert first is again
    assert (first.size, first.name, len(reads)) == ((96, 64), "cup.png", 1)
    other = session.add("2", "cup.png", read, "style image")
    assert other.path != first.path
    assert first.path.read_bytes() == content_path.read_bytes()
    del session
    assert not first.path.exists()


def test_session_dir_deletes_the_directories_of_a_killed_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    killed = tmp_path / "style-transfer-page-1"
    (killed / "0").mkdir(parents=True)
    first = SessionDir()
    second = SessionDir()
    assert not killed.exists()
    assert len(list(tmp_path.iterdir())) == 2
    del first, second
    assert list(tmp_path.iterdir()) == []


def test_session_dir_reports_an_invalid_file_by_its_uploaded_name() -> None:
    session = SessionDir()
    for _ in range(2):
        with pytest.raises(UsageError) as error:
            session.add("1", "notes.png", lambda: b"no image", "content image")
        assert str(error.value).startswith("content image notes.png is not ")
        assert "style-transfer-page-" not in str(error.value)


def test_session_dir_rejects_too_many_pixels_before_decoding(
    content_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.webapp.uploads.MAX_UPLOAD_PIXELS", 96 * 64 - 1)
    monkeypatch.setattr("core.webapp.uploads.read_image", lambda *_, **__: pytest.fail("the image was decoded"))
    message = r"^style image cup.png has 96x64 px, more than this page's limit of .*: scale it down first$"
    with pytest.raises(UsageError, match=message):
        SessionDir().add("1", "cup.png", content_path.read_bytes, "style image")


def test_read_upload_limits_the_size_of_the_display_image(tmp_path: Path) -> None:
    path = tmp_path / "wide.png"
    Image.new("RGBA", (2 * DISPLAY_SIDE, 40), (255, 0, 0, 128)).save(path)
    image = read_upload(path, "wide.png", "content image")
    assert image.size == (2 * DISPLAY_SIDE, 40)
    assert (image.display_image.size, image.display_image.mode) == ((DISPLAY_SIDE, 20), "RGBA")


@pytest.mark.parametrize(("size", "shown"), [((4000, 16), (DISPLAY_SIDE, 16)), ((16, 4000), (16, DISPLAY_SIDE))])
def test_a_very_long_image_remains_visible(size: tuple[int, int], shown: tuple[int, int], tmp_path: Path) -> None:
    """Streamlit scales the image down to the width of its column, where each side needs a pixel."""
    Image.new("RGB", size).save(tmp_path / "long.png")
    image = read_upload(tmp_path / "long.png", "long.png", "content image")
    assert (image.size, image.display_image.size) == (size, shown)


def test_names_of_samples_contain_no_folder_of_this_machine() -> None:
    path = find_samples()["content"]["coffee"].resolve()
    assert read_sample(path, "sample").name == "examples/content/coffee.jpg"


def test_find_samples_lists_the_images_of_the_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "coffee" in find_samples()["content"]
    for role, name in (("content", "a.png"), ("style", "b.jpg"), ("style", "notes.txt")):
        path = tmp_path / "examples" / role / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    assert find_example() is None
    assert find_samples() == {
        "content": {"a": Path("examples/content/a.png")},
        "style": {"b": Path("examples/style/b.jpg")},
    }


def test_find_example_returns_a_content_image_and_its_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = find_example()
    assert example is not None
    with Image.open(example[0]) as content, Image.open(example[1]) as result:
        assert content.size == result.size
    for name in ("content/cat.png", "content/old-cat.png", "style/ink.png", "finished/dog-ink.png"):
        path = tmp_path / "examples" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    assert find_example() is None
    (tmp_path / "examples" / "finished" / "old-cat-ink.png").touch()
    assert find_example() == (Path("examples/content/old-cat.png"), Path("examples/finished/old-cat-ink.png"))
