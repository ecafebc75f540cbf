"""The status panel in every state of a job, in Streamlit's test runner."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from core.config.transfer_config import TransferConfig
from core.webapp.job_queue import JobQueue
from core.webapp.request import StyleChoice, TransferRequest, submit_request
from core.webapp.uploads import SessionDir
from support.webapp import fake_task

testing = pytest.importorskip("streamlit.testing.v1", reason="Streamlit is not installed")


def panel() -> None:
    import streamlit as st

    from core.webapp.status_panel import show_status_panel

    show_status_panel(st.session_state["queue"], st.session_state["request"])


def show(queue: JobQueue, request: TransferRequest | None) -> Any:
    test = testing.AppTest.from_function(panel, default_timeout=600)
    test.session_state["queue"], test.session_state["request"] = queue, request
    test.run()
    assert not test.exception
    return test


def texts(elements: Any) -> list[str]:
    return [element.value for element in elements]


def labels(elements: Any) -> list[str]:
    return [element.label for element in elements]


def progress_texts(test: Any) -> list[str]:
    return [bar.proto.text for bar in test.get("progress")]


@pytest.fixture
def queue() -> JobQueue:
    return JobQueue()


@pytest.fixture
def request_(queue: JobQueue, content_path: Path, style_path: Path) -> Iterator[TransferRequest]:
    """A short transfer that waits in the queue of a visitor whose session lasts as long as the test."""
    session = SessionDir()
    content = session.add("content", "cup.png", content_path.read_bytes, "content image")
    style = session.add("style", "night.jpg", style_path.read_bytes, "style image")
    mask = session.add("mask", "night-region.png", content_path.read_bytes, "region mask")
    config = TransferConfig(image_size=32, iterations=2)
    yield submit_request(queue, session, content, [StyleChoice(style, 1.0, mask)], config)


def compared(test: Any) -> list[tuple[int, int]]:
    """The sizes of the two images of each comparison."""
    sizes = []
    for component in test.get("bidi_component"):
        data = json.loads(component.proto.json)
        for name in ("before", "after"):
            with urllib.request.urlopen(data[name]) as file, Image.open(file) as image:
                sizes.append(image.size)
    return sizes


def test_panel_without_a_request_shows_an_example(queue: JobQueue) -> None:
    test = show(queue, None)
    assert texts(test.caption) == ["An example. The result of your transfer appears here."]
    assert compared(test) == [(451, 300), (451, 300)]


def test_panel_without_a_request_and_examples_shows_a_placeholder(
    queue: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.webapp.status_panel.find_example", lambda: None)
    test = show(queue, None)
    assert texts(test.caption) == ["The result appears here."]
    assert compared(test) == []


def test_panel_reports_an_unreadable_example(queue: JobQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken.png").touch()
    monkeypatch.setattr("core.webapp.status_panel.find_example", lambda: (tmp_path / "broken.png",) * 2)
    (error,) = texts(show(queue, None).error)
    assert error.startswith("example ") and "broken.png is not a" in error
    assert str(tmp_path) not in error


def test_waiting_job_shows_its_queue_position(queue: JobQueue, request_: TransferRequest) -> None:
    assert progress_texts(show(queue, request_)) == ["Next in the queue"]
    request_.job.task = fake_task()
    behind = [TransferRequest(queue.submit(fake_task()), request_.content, (), request_.config) for _ in range(2)]
    for request, text in zip(behind, ("1 transfer is ahead", "2 transfers are ahead"), strict=True):
        assert progress_texts(show(queue, request)) == [f"{text} of yours in the queue"]


def test_cancel_button_cancels_a_waiting_job(queue: JobQueue, request_: TransferRequest) -> None:
    test = show(queue, request_)
    assert labels(test.button) == ["Cancel"]
    test.button[0].click().run()
    assert request_.job.state == "cancelled"
    assert texts(test.info) == ["This transfer was cancelled."]


def test_running_job_shows_its_preview_and_can_be_stopped(queue: JobQueue, request_: TransferRequest) -> None:
    seen: list[Any] = []

    def after_step(step: int) -> None:
        if step > 1:
            return
        test = show(queue, request_)
        seen.append((progress_texts(test), labels(test.button), len(test.image)))
        test.button[0].click().run()
        seen.append((progress_texts(test), [button.disabled for button in test.button], len(test.image)))

    request_.job.task = fake_task(10, after_step)
    queue.run_next()
    assert (request_.job.state, len(request_.job.losses)) == ("finished", 2), request_.job.error
    assert seen[0] == (
        ["Evaluation 1 of 10 · 3 s · about 27 s left"], ["Stop and keep the result", "Cancel"], 1,
    )  # fmt: skip
    assert seen[1] == (["Stopping after the current step …"], [True, True], 1)


def test_running_job_without_a_preview_can_only_be_cancelled(queue: JobQueue, request_: TransferRequest) -> None:
    request_.job.state = "running"
    test = show(queue, request_)
    assert progress_texts(test) == ["Preparing …"]
    assert [button.disabled for button in test.button] == [True, False]


def test_failed_job_shows_its_error(queue: JobQueue, request_: TransferRequest) -> None:
    request_.job.state, request_.job.error = "failed", "out of memory"
    assert texts(show(queue, request_).error) == ["out of memory"]


def test_finished_job_shows_losses_downloads_and_command(
    tiny_vgg: None, queue: JobQueue, request_: TransferRequest
) -> None:
    queue.run_next()
    assert request_.job.state == "finished", request_.job.error
    test = show(queue, request_)
    assert test.caption[0].value.startswith("Finished after 2 evaluations in ")
    assert " s · 32 × 21 px · loss " in test.caption[0].value
    assert labels(test.get("download_button")) == [
        "Download result", "Download run record", "Download night-region.png",
    ]  # fmt: skip
    assert test.code[0].value == request_.command("png")
    assert compared(test) == [(32, 21), (32, 21)]
    test.button_group(key="format").set_value("jpg").run()
    assert test.code[0].value == request_.command("jpg")
