"""The page as `python -m core.app` serves it, driven by headless Chromium."""

import hashlib
import json
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image

import core.webapp
from core.config.presets import EFFORTS
from core.config.transfer_config import TransferConfig
from core.image.embedded_record import read_record
from core.webapp.server import LOOPBACK
from core.webapp.theme import DARK, LIGHT
from core.webapp.uploads import safe_name
from support.images import CHROMIUM, pixels_of
from support.servers import free_port, is_ready

pytest.importorskip("streamlit", reason="Streamlit is not installed")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="the browser chromium is not installed"),
]


EXAMPLE = "An example. The result of your transfer appears here."
COMPARISON = "Content image on the left, result on the right"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a running page; fails at the end if the server logged a traceback."""
    port = free_port()
    log = tmp_path_factory.mktemp("page") / "log"
    with log.open("w") as lines:
        process = subprocess.Popen([sys.executable, "-m", "core.app", "--port", str(port)], stdout=lines, stderr=lines)
    url = f"http://{LOOPBACK}:{port}/"
    try:
        while not is_ready(url + "_stcore/health"):
            assert process.poll() is None, log.read_text()
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait()
    assert "Traceback" not in log.read_text()


class Visitor:
    """A browser context with the page open."""

    def __init__(self, browser: Any, address: str, *, width: int = 1280) -> None:
        self.page = browser.new_context(viewport={"width": width, "height": 900}).new_page()
        self.page.set_default_timeout(600_000)
        self.external_requests: list[str] = []
        self.errors: list[str] = []
        self.page.on("request", lambda request: self._record(request.url, address))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(address)
        self.start_button.wait_for()

    def _record(self, url: str, address: str) -> None:
        if not url.startswith((address, "data:", "blob:")):
            self.external_requests.append(url)

    @property
    def start_button(self) -> Any:
        return self.page.get_by_role("button", name="Start transfer", exact=True)

    def upload(self, key: str, *paths: Path) -> None:
        self.page.locator(f".st-key-{key} input[type=file]").set_input_files(paths)

    def choose(self, content: Path, *styles: Path) -> None:
        self.upload("content", content)
        self.page.get_by_alt_text(content.name, exact=True).wait_for()
        self.upload("styles", *styles)
        for style in styles:
            self.page.get_by_alt_text(style.name, exact=True).wait_for()

    def set_number(self, label: str, value: int) -> None:
        # Streamlit may lose text that is typed while its script runs.
        self.page.locator("[data-test-script-state=notRunning]").wait_for()
        self.page.get_by_role("spinbutton", name=label, exact=True).fill(str(value))
        self.page.keyboard.press("Enter")

    def start(self, *, size: int = 48, evaluations: int = 4) -> None:
        self.prepare(size=size, evaluations=evaluations)
        self.start_button.click()

    def prepare(self, *, size: int = 48, evaluations: int = 4) -> None:
        self.set_number("Image size", size)
        self.page.get_by_text("Expert options").click()
        self.set_number("Evaluations", evaluations)
        self.wait_for_text(f"{evaluations / 20:g} epochs of 20")

    def wait_for_text(self, text: str) -> None:
        self.page.get_by_text(text).first.wait_for()

    def download(self, button: str, folder: Path) -> Path:
        with self.page.expect_download() as download:
            self.page.get_by_role("button", name=button, exact=True).click()
        path = folder / download.value.suggested_filename
        download.value.save_as(path)
        return path

    def command(self) -> str:
        self.page.get_by_text("Command line for the same result").click()
        code = self.page.locator("code").first
        code.wait_for()
        return str(code.inner_text())


def run_command(command: str, folder: Path) -> Path:
    """Run a copied command line in a folder; return the path of its output."""
    words = shlex.split(command)
    assert words[0] == "python"
    ran = subprocess.run([sys.executable, *words[1:]], cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return folder / words[-1]


@pytest.fixture(scope="module")
def visitor(browser: Any, address: str, content_path: Path, style_path: Path) -> Visitor:
    """A visitor whose transfer is finished."""
    visitor = Visitor(browser, address)
    visitor.choose(content_path, style_path)
    visitor.start()
    visitor.wait_for_text("Finished after 4 evaluations")
    return visitor


def test_result_and_record_equal_those_of_the_command_line(
    visitor: Visitor, content_path: Path, style_path: Path, tmp_path: Path
) -> None:
    visitor.wait_for_text("48 × 32 px")
    result = visitor.download("Download result", tmp_path)
    assert result.name == "cup-night.png"
    embedded = json.loads(read_record(result) or "")
    assert embedded["content"]["path"] == "cup.png"
    assert embedded["content"]["sha256"] == hashlib.sha256(content_path.read_bytes()).hexdigest()
    assert (embedded["config"]["image_size"], embedded["config"]["iterations"]) == (48, 4)
    record = json.loads(visitor.download("Download run record", tmp_path).read_text())
    assert record.pop("losses")[-1]["evaluations"] == 4
    assert record == embedded

    folder = tmp_path / "command"
    folder.mkdir()
    for path in (content_path, style_path):
        shutil.copy(path, folder)
    np.testing.assert_array_equal(pixels_of(result), pixels_of(run_command(visitor.command(), folder)))


def test_format_control_changes_the_downloaded_file(visitor: Visitor, tmp_path: Path) -> None:
    visitor.page.get_by_role("radio", name="JPG").click()
    visitor.wait_for_text("cup-night.jpg")
    with Image.open(visitor.download("Download result", tmp_path)) as result:
        assert (result.format, result.size) == ("JPEG", (48, 32))


def test_comparison_slider_moves_the_border(visitor: Visitor) -> None:
    slider = visitor.page.get_by_role("slider", name=COMPARISON)
    slider.fill("75")
    clip = "(slider) => getComputedStyle(slider.getRootNode().querySelector('#before')).clipPath"
    assert slider.evaluate(clip) == "inset(0px 25% 0px 0px)"


def box_at_rest(element: Any) -> dict[str, float]:
    """The bounding box of an element in view after the layout has stopped changing."""
    element.scroll_into_view_if_needed()
    before, box = None, element.bounding_box()
    while box != before:
        element.page.wait_for_timeout(300)
        before, box = box, element.bounding_box()
    return cast("dict[str, float]", box)


def test_several_styles_with_a_drawn_region_mask(
    browser: Any, address: str, content_path: Path, style_path: Path, tmp_path: Path
) -> None:
    stripes = tmp_path / "our__stripes.png"
    Image.fromarray(np.tile(np.uint8([[250, 200, 20], [120, 20, 90]]).repeat(4, 0), (40, 8, 1))).save(stripes)
    visitor = Visitor(browser, address)
    visitor.choose(content_path, style_path, stripes)
    visitor.page.get_by_text("Restrict to a region of the content image").first.click()
    canvas = visitor.page.locator("canvas[aria-label]").first
    box = box_at_rest(canvas)
    visitor.page.mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 0.5 * box["height"])
    visitor.page.mouse.down()
    visitor.page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 0.5 * box["height"], steps=4)
    visitor.page.mouse.up()
    visitor.start()
    visitor.wait_for_text("Finished after 4 evaluations")
    result = visitor.download("Download result", tmp_path)
    mask_path = visitor.download("Download night-region.png", tmp_path)
    mask = np.asarray(Image.open(mask_path).convert("L"))
    height, width = mask.shape
    assert mask[height // 2, width // 4] == 255
    assert mask[:, width // 2 :].max() == 0
    shutil.copy(content_path, tmp_path)
    shutil.copy(style_path, tmp_path)
    command = visitor.command()
    assert "--style night.jpg:1.0 --style our__stripes.png:1.0 --region night-region.png=night.jpg" in command
    pixels = pixels_of(result)
    np.testing.assert_array_equal(pixels, pixels_of(run_command(command, tmp_path)))
    visitor.page.context.close()


def test_two_visitors_share_the_queue_and_get_their_own_results(
    browser: Any, address: str, content_path: Path, style_path: Path, tmp_path: Path
) -> None:
    """The first visitor stops a very long transfer and keeps its result; the second one waits until then."""
    tall = tmp_path / "tall.png"
    with Image.open(content_path) as content:
        content.resize((48, 96)).save(tall)
    first, second = Visitor(browser, address), Visitor(browser, address)
    second.choose(tall, style_path)
    second.prepare()
    first.choose(content_path, style_path)
    first.start(evaluations=1_000_000)
    first.wait_for_text("of 1000000")
    second.start_button.click()
    second.wait_for_text("1 transfer is ahead of yours in the queue")
    first.page.get_by_role("button", name="Stop and keep the result").click()
    first.wait_for_text("Stopped after")
    second.wait_for_text("Finished after 4 evaluations")
    records = []
    for visitor, name, shape in ((first, "cup", (32, 48, 3)), (second, "tall", (48, 24, 3))):
        result = visitor.download("Download result", tmp_path)
        assert result.name == f"{name}-night.png"
        assert pixels_of(result).shape == shape
        records.append(json.loads(read_record(result) or ""))
    assert [record["stopped"] for record in records] == [True, False]
    assert [record["config"]["iterations"] for record in records] == [1_000_000, 4]
    for visitor in (first, second):
        visitor.page.context.close()


def test_samples_are_chosen_by_clicks_and_keys(browser: Any, address: str, tmp_path: Path) -> None:
    visitor = Visitor(browser, address)
    visitor.wait_for_text(EXAMPLE)
    visitor.page.get_by_role("slider", name=COMPARISON).wait_for()
    visitor.page.get_by_role("radio", name="cat").click()
    visitor.page.get_by_alt_text("cat.jpg").wait_for()
    glass, ink = (visitor.page.get_by_role("button", name=name, exact=True) for name in ("glass", "ink"))
    glass.click()
    visitor.page.get_by_alt_text("glass.jpg").wait_for()
    glass.press("ArrowRight")
    visitor.page.keyboard.press("Space")
    visitor.page.get_by_alt_text("ink.jpg").wait_for()
    night = visitor.page.get_by_role("button", name="night", exact=True)
    assert [style.get_attribute("aria-pressed") for style in (glass, ink, night)] == ["true", "true", "false"]
    borders = [style.evaluate("(button) => getComputedStyle(button).borderColor") for style in (glass, ink, night)]
    assert borders[0] == borders[1] != borders[2]
    box = box_at_rest(night.get_by_role("img"))
    assert box["width"] == box["height"] > 50
    visitor.start(evaluations=2)
    visitor.wait_for_text("Finished after 2 evaluations")
    assert visitor.page.get_by_text(EXAMPLE).count() == 0
    assert visitor.download("Download result", tmp_path).name == "cat-glass-ink.png"
    visitor.page.context.close()


def test_effort_shows_durations_and_sets_the_evaluations(browser: Any, address: str, content_path: Path) -> None:
    visitor = Visitor(browser, address)
    visitor.upload("content", content_path)
    visitor.wait_for_text("On this machine: draft about")
    visitor.page.get_by_text("Expert options").click()
    evaluations = visitor.page.get_by_role("spinbutton", name="Evaluations", exact=True)
    for name in EFFORTS:
        visitor.page.get_by_role("radio", name=name.capitalize(), exact=True).click()
        visitor.wait_for_text(f"{TransferConfig.effort(name).iterations / 20:g} epochs of 20")
        assert evaluations.input_value() == str(TransferConfig.effort(name).iterations)
    visitor.page.context.close()


def test_invalid_inputs_are_reported_without_a_traceback(
    browser: Any, address: str, content_path: Path, tmp_path: Path
) -> None:
    visitor = Visitor(browser, address)
    visitor.start_button.click()
    visitor.wait_for_text("no content image was chosen: upload one or choose a sample")
    notes = tmp_path / "notes.png"
    notes.write_text("no image")
    visitor.upload("content", notes)
    visitor.wait_for_text("content image notes.png is not ")
    visitor.upload("content", content_path)
    visitor.page.get_by_alt_text("cup.png", exact=True).wait_for()
    visitor.start_button.click()
    visitor.wait_for_text("no style image was chosen: upload one or choose a sample")
    assert "Traceback" not in visitor.page.content()
    visitor.page.context.close()


def test_long_names_and_a_very_long_image_give_a_result(
    browser: Any, address: str, content_path: Path, tmp_path: Path
) -> None:
    content, style = tmp_path / ("猫" * 80 + ".png"), tmp_path / ("é" * 120 + ".png")
    with Image.open(content_path) as image:
        image.resize((900, 16)).save(content)
    shutil.copy(content_path, style)
    visitor = Visitor(browser, address)
    for key, path in (("content", content), ("styles", style)):
        visitor.upload(key, path)
        visitor.page.get_by_alt_text(safe_name(path.name), exact=True).wait_for()
    visitor.start(size=900, evaluations=1)
    visitor.wait_for_text("Finished after 1 evaluations")
    with Image.open(visitor.download("Download result", tmp_path)) as result:
        assert result.size == (900, 16)
    visitor.page.context.close()


def test_other_names_and_origins_are_refused_and_messages_contain_no_path(browser: Any, address: str) -> None:
    own = address.removeprefix("http://").rstrip("/")
    for host, origin, status in (
        (own, f"http://{own}", b"101"),
        (own, "http://localhost:3000", b"403"),
        ("evil.example", "http://evil.example", b"403"),
    ):
        with socket.create_connection((LOOPBACK, int(own.rpartition(":")[2])), timeout=60) as client:
            client.sendall(
                f"GET /_stcore/stream HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\nUpgrade: websocket\r\n"
                "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n".encode()
            )
            assert client.recv(12).split()[1] == status
    with urllib.request.urlopen(address, timeout=60) as answer:
        assert answer.headers["Content-Security-Policy"] == "frame-ancestors 'none'"
    frames: list[bytes] = []
    page = browser.new_page()
    page.on("websocket", lambda opened: opened.on("framereceived", lambda data: frames.append(bytes(data))))
    page.goto(address)
    page.get_by_role("button", name="Start transfer", exact=True).wait_for(timeout=600_000)
    assert frames
    assert str(Path(core.webapp.__file__).parent).encode() not in b"".join(frames)
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_finished_page_fits_a_phone_in_both_color_schemes(visitor: Visitor, scheme: str) -> None:
    visitor.page.emulate_media(color_scheme=scheme)
    visitor.page.set_viewport_size({"width": 360, "height": 740})
    visitor.wait_for_text("Finished after")
    for element in ("document.documentElement", "document.querySelector('.stMain')"):
        visitor.page.wait_for_function(f"{element}.scrollWidth <= 360", timeout=60_000)
    background = visitor.page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor")
    red, green, blue = bytes.fromhex({"light": LIGHT, "dark": DARK}[scheme].background.removeprefix("#"))
    assert background == f"rgb({red}, {green}, {blue})"


@pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is a loopback address only on Linux")
def test_server_listens_on_the_given_address_only(address: str) -> None:
    """The whole of 127.0.0.0/8 reaches this machine, but only 127.0.0.1 is served."""
    port = int(address.rstrip("/").rpartition(":")[2])
    socket.create_connection((LOOPBACK, port), timeout=60).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port), timeout=60)


def test_page_loads_nothing_from_other_servers(visitor: Visitor) -> None:
    """Covers the requests of the module-scoped visitor in all tests above."""
    assert visitor.external_requests == []
    assert visitor.errors == []
