"""The widgets for the input images, in Streamlit's test runner."""

import io
import re
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from support.images import EXAMPLES

pytest.importorskip("streamlit", reason="Streamlit is not installed")

from streamlit.testing import v1 as testing

from core.webapp.images_form import THUMBNAIL_SIDE


def form() -> None:
    import streamlit as st

    from core.webapp.images_form import choose_content, choose_styles
    from core.webapp.uploads import SessionDir

    session = st.session_state.setdefault("session", SessionDir())
    content = choose_content(session)
    st.session_state["chosen"] = content, choose_styles(session, content)


@pytest.fixture
def test() -> Any:
    return testing.AppTest.from_function(form, default_timeout=600).run()


def upload(test: Any, key: str, *files: tuple[str, bytes]) -> None:
    test.file_uploader(key=key).set_value([(name, content, "image/png") for name, content in files])
    test.run()
    assert not test.exception


def png(color: str, size: tuple[int, int] = (40, 30)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, color).save(file, "PNG")
    return file.getvalue()


def test_form_starts_without_images(test: Any) -> None:
    assert test.session_state["chosen"] == (None, [])


def test_uploaded_content_replaces_the_sample(test: Any) -> None:
    test.button_group(key="content sample").set_value("cat").run()
    content, _ = test.session_state["chosen"]
    assert Path(content.name).name == "cat.jpg"
    upload(test, "content", ("red.png", png("red")))
    content, _ = test.session_state["chosen"]
    assert (content.name, content.size) == ("red.png", (40, 30))


def test_samples_are_shown_as_thumbnails(test: Any) -> None:
    for key, role in (("content sample", "content"), ("style samples", "style")):
        labels = test.button_group(key=key).options
        names, urls = zip(*(re.fullmatch(r"!\[(.+)\]\((.+)\)", label).groups() for label in labels), strict=True)
        assert sorted(names) == sorted(path.stem for path in (EXAMPLES / role).iterdir())
        for url in urls:
            with urllib.request.urlopen(url) as file, Image.open(file) as thumbnail:
                assert thumbnail.size == (THUMBNAIL_SIDE, THUMBNAIL_SIDE)


def test_thumbnail_shows_the_middle_of_its_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for role in ("content", "style"):
        (tmp_path / "examples" / role).mkdir(parents=True)
    flag = Image.new("RGB", (300, 100), "red")
    flag.paste("blue", (100, 0, 200, 100))
    flag.save(tmp_path / "examples" / "content" / "a [flag].png")
    (tmp_path / "examples" / "content" / "broken.png").touch()
    monkeypatch.chdir(tmp_path)
    test = testing.AppTest.from_function(form, default_timeout=600).run()
    label, broken = test.button_group(key="content sample").options
    assert broken == "broken"
    assert label.startswith("![a flag](")
    with urllib.request.urlopen(label.partition("(")[2].rstrip(")")) as file, Image.open(file) as thumbnail:
        red, _, blue = np.asarray(thumbnail).mean((0, 1))
    assert blue > 200
    assert red < 50
    test.button_group(key="content sample").set_value("broken").run()
    assert test.error[0].value.startswith("content image examples/content/broken.png ")
    test.button_group(key="content sample").set_value("a [flag]").run()
    assert test.session_state["chosen"][0].size == (300, 100)


def test_unreadable_images_are_reported_and_left_out(test: Any) -> None:
    upload(test, "content", ("notes.png", b"no image"))
    upload(test, "styles", ("small.png", png("red", (4, 4))), ("red.png", png("red")))
    content, styles = test.session_state["chosen"]
    assert content is None
    assert [style.image.name for style in styles] == ["red.png"]
    first, second = (error.value for error in test.error)
    assert first.startswith("content image notes.png ")
    assert second.startswith("style image small.png ")


def test_weights_appear_for_several_styles_only(test: Any) -> None:
    upload(test, "styles", ("red.png", png("red")))
    assert not test.slider
    upload(test, "styles", ("red.png", png("red")), ("blue.png", png("blue")))
    assert [slider.label for slider in test.slider] == ["Weight of red.png", "Weight of blue.png"]
    test.slider[1].set_value(0.25).run()
    assert [style.weight for style in test.session_state["chosen"][1]] == [1.0, 0.25]


def test_styles_beyond_the_limit_are_reported_and_left_out(test: Any) -> None:
    upload(test, "styles", *((f"{color}.png", png(color)) for color in ("red", "blue", "green")))
    test.button_group(key="style samples").set_value(["ink", "night"]).run()
    assert [error.value for error in test.error] == ["5 style images were chosen: only the first 4 are used"]
    names = [Path(style.image.name).name for style in test.session_state["chosen"][1]]
    assert names == ["red.png", "blue.png", "green.png", "ink.jpg"]


def test_region_masks_need_a_content_image(test: Any) -> None:
    upload(test, "styles", ("red.png", png("red")))
    assert [expander.label for expander in test.expander] == ["Use only a part of the style image"]
    upload(test, "content", ("gray.png", png("gray")))
    assert [expander.label for expander in test.expander] == [
        "Restrict to a region of the content image",
        "Use only a part of the style image",
    ]
    mask_uploader = next(uploader for uploader in test.file_uploader if uploader.label.startswith("Region mask"))
    upload(test, mask_uploader.key, ("mask.png", png("white")))
    (style,) = test.session_state["chosen"][1]
    assert (style.mask.name, style.mask.size, style.style_mask) == ("mask.png", (40, 30), None)


def test_a_style_mask_is_a_part_of_the_style_image(test: Any) -> None:
    upload(test, "styles", ("red.png", png("red")))
    mask_uploader = next(uploader for uploader in test.file_uploader if uploader.label.startswith("Style mask"))
    upload(test, mask_uploader.key, ("part.png", png("white")))
    (style,) = test.session_state["chosen"][1]
    assert (style.mask, style.style_mask.name) == (None, "part.png")
