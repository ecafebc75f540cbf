"""The whole page in Streamlit's test runner, with a small random network."""

import time
from pathlib import Path
from typing import Any

import pytest

import core.webapp
from core.config.transfer_config import TransferConfig
from support.images import EXAMPLES
from support.webapp import FakeRun

testing = pytest.importorskip("streamlit.testing.v1", reason="Streamlit is not installed")


EXAMPLE = "An example. The result of your transfer appears here."


@pytest.fixture
def test(tiny_vgg: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("core.webapp.durations.measure", lambda callback: FakeRun(256, 5, 1e-9))
    script = Path(core.webapp.__file__).with_name("main.py")
    return testing.AppTest.from_file(script, default_timeout=600).run()


def start(test: Any) -> None:
    test.button(key="start").click().run()
    assert not test.exception


def wait_for_result(test: Any) -> None:
    while test.button(key="start").disabled:
        time.sleep(0.05)
        test.run()


def test_start_without_images_reports_the_missing_one(test: Any, content_path: Path) -> None:
    start(test)
    assert [error.value for error in test.error] == ["no content image was chosen: upload one or choose a sample"]
    test.file_uploader(key="content").set_value(("cup.png", content_path.read_bytes(), "image/png")).run()
    start(test)
    assert [error.value for error in test.error] == ["no style image was chosen: upload one or choose a sample"]


def test_start_runs_the_transfer_with_the_chosen_images_and_options(
    test: Any, content_path: Path, style_path: Path
) -> None:
    test.file_uploader(key="content").set_value(("cup.png", content_path.read_bytes(), "image/png"))
    test.file_uploader(key="styles").set_value([("night.jpg", style_path.read_bytes(), "image/jpeg")]).run()
    test.number_input(key="toolkit image_size").set_value(32)
    assert EXAMPLE in [caption.value for caption in test.caption]
    test.number_input(key="toolkit standard iterations").set_value(2).run()
    start(test)
    wait_for_result(test)
    captions = [caption.value for caption in test.caption]
    assert EXAMPLE not in captions
    assert any(caption.startswith("Finished after 2 evaluations") for caption in captions)
    assert "--content cup.png --style night.jpg --image-size 32" in test.code[0].value
    assert not test.exception


def test_start_runs_the_transfer_with_the_chosen_samples_and_effort(test: Any) -> None:
    test.button_group(key="content sample").set_value("cat").run()
    test.button_group(key="style samples").set_value(["glass"]).run()
    test.number_input(key="toolkit image_size").set_value(32)
    test.button_group(key="effort").set_value("draft").run()
    start(test)
    request = test.session_state["request"]
    assert request.config == TransferConfig.effort("draft", image_size=32, strength=0.5)
    assert request.content.path.resolve() == EXAMPLES / "content" / "cat.jpg"
    assert [style.image.path.resolve() for style in request.styles] == [EXAMPLES / "style" / "glass.jpg"]
    wait_for_result(test)
    captions = [caption.value for caption in test.caption]
    assert any(caption.startswith("Finished after ") for caption in captions)


def test_durations_appear_when_a_content_image_is_chosen(test: Any) -> None:
    def shown() -> bool:
        return any(caption.value.startswith("On this machine: draft") for caption in test.run().caption)

    assert not shown()
    test.button_group(key="content sample").set_value("cat")
    while not shown():
        time.sleep(0.05)


def test_invalid_options_are_reported(test: Any, content_path: Path, style_path: Path) -> None:
    test.file_uploader(key="content").set_value(("cup.png", content_path.read_bytes(), "image/png"))
    test.file_uploader(key="styles").set_value([("night.jpg", style_path.read_bytes(), "image/jpeg")])
    test.text_input(key="toolkit style_weight").set_value("1,2").run()
    start(test)
    assert len(test.error) == 1
    assert test.error[0].value.startswith("--style-weight has 2 values for 5 layers")
