"""The page: how it is started, its queue and its command lines, and what visitors see of it in headless Chromium."""

import hashlib
import json
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, cast
from urllib.error import URLError

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from core.app import LOOPBACK, app, streamlit_command
from core.cli.config_file import read_options
from core.config.presets import PRESETS
from core.config.transfer_config import TransferConfig
from core.errors import StyleTransferError, UsageError
from core.image.embedded_record import read_record
from core.runs.progress import Callback, Progress, Result
from core.webapp import job_queue as jobs
from core.webapp.command_line import StyleFile, command_line
from core.webapp.job_queue import Job, JobQueue
from core.webapp.uploads import SessionDir, safe_name
from support.images import CHROMIUM, pixels_of

streamlit = pytest.importorskip("streamlit", reason="streamlit, which serves the page, is not installed")

in_browser = pytest.mark.skipif(CHROMIUM is None, reason="the browser chromium is not installed")

# Starting it


def test_help_needs_neither_streamlit_nor_torch() -> None:
    program = (
        "import runpy, sys; sys.argv = ['core.app', '--help']\n"
        "try: runpy.run_module('core.app', run_name='__main__')\n"
        "except SystemExit: print({'streamlit', 'torch'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "--port" in ran.stdout
    assert ran.stdout.splitlines()[-1] == "set()"


def test_a_port_that_does_not_do_is_told() -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        ran = CliRunner().invoke(app, ["--port", str(port)])
    assert ran.exit_code == 2
    assert ran.stderr.startswith(f"Error: cannot serve at {LOOPBACK}, port {port}: ")
    assert len(ran.stderr.splitlines()) == 1
    for given in (["--port", "0"], ["--port", "65536"]):
        ran = CliRunner().invoke(app, given)
        assert (ran.exit_code, ran.stderr) == (
            2,
            f"Error: --port is {given[1]}: expected a whole number from 1 to 65535\n",
        )


def test_visitors_of_other_machines_come_only_where_asked_for() -> None:
    assert "--server.address=127.0.0.1" in streamlit_command(LOOPBACK, 1)
    assert "--server.address=0.0.0.0" in streamlit_command("0.0.0.0", 1)


def test_without_streamlit_the_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.app.find_spec", lambda name: None)
    ran = CliRunner().invoke(app, [])
    assert ran.exit_code == 1
    assert ran.stderr == "Error: the page needs streamlit, which is not installed: run pip install '.[app]'\n"


# The queue


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Step:
    """What a queue asks of a run's progress."""

    evaluations: int
    seconds: float = 3.0
    total_evaluations: int = 10
    image: Image.Image | None = None

    @property
    def fraction(self) -> float:
        return self.evaluations / self.total_evaluations

    def losses(self) -> dict[str, Any]:
        return {"evaluations": self.evaluations, "loss": 1 / self.evaluations}


PAINTED = cast("Result", object())


def painting(steps: int = 10, then: Callable[[int], object] = lambda step: None) -> Callable[[Callback], Result]:
    """A run of so many steps, which does something after each."""

    def work(callback: Callback) -> Result:
        for number in range(1, steps + 1):
            stopped = callback(cast("Progress", Step(number)))
            then(number)
            if stopped:
                break
        return PAINTED

    return work


def test_paintings_are_made_in_the_order_they_came() -> None:
    queue, seen = JobQueue(), []
    first, second, third = (queue.submit(painting()) for _ in range(3))
    assert [queue.look(job) for job in (first, second, third)] == [0, 1, 2]
    second.work = painting(then=lambda step: seen.append((queue.look(second), queue.look(third), second.state)))
    for _ in range(3):
        queue.paint_next()
    assert seen == [(0, 1, "painting")] * 10
    assert all(job.state == "finished" and job.result is PAINTED and job.work is None for job in (first, third))


def test_progress_is_told() -> None:
    clock = Clock()
    queue, shown = JobQueue(clock), []

    def look(step: int) -> None:
        assert job.snapshot is not None
        shown.append(job.snapshot.evaluations)
        clock.now += 0.6 * jobs.PREVIEW_EVERY

    job = queue.submit(painting(5, look))
    queue.paint_next()
    assert [step["evaluations"] for step in job.losses] == [1, 2, 3, 4, 5]
    assert shown == [1, 1, 3, 3, 5]  # every second step comes late enough for a new picture
    assert job.snapshot is not None
    assert (job.snapshot.seconds, job.snapshot.left, job.snapshot.fraction) == (3.0, 3.0, 0.5)


@pytest.mark.parametrize(("keep", "state", "result"), [(True, "finished", PAINTED), (False, "cancelled", None)])
def test_a_painting_can_be_stopped(keep: bool, state: str, result: Result | None) -> None:
    queue = JobQueue()
    job = queue.submit(painting(10, lambda step: step == 3 and queue.stop(job, keep=keep)))
    queue.paint_next()
    assert len(job.losses) == 4
    assert (job.state, job.result, job.live) == (state, result, False)


def test_a_waiting_painting_can_be_cancelled() -> None:
    queue = JobQueue()
    first, second, third = (queue.submit(painting()) for _ in range(3))
    queue.stop(second, keep=True)
    assert (second.state, second.work, queue.look(third)) == ("cancelled", None, 1)
    queue.paint_next()
    queue.paint_next()
    assert [job.state for job in (first, second, third)] == ["finished", "cancelled", "finished"]
    queue.stop(third, keep=False)
    assert third.state == "finished"


def test_who_is_gone_is_not_painted_for() -> None:
    clock = Clock()
    queue = JobQueue(clock)
    gone, here = queue.submit(painting()), queue.submit(painting())
    clock.now = jobs.PATIENCE + 1
    queue.look(here)
    queue.paint_next()
    assert (gone.state, here.state) == ("cancelled", "finished")

    def leave(step: int) -> None:
        clock.now += jobs.PATIENCE / 3

    leaving = queue.submit(painting(10, leave))
    queue.paint_next()
    assert (leaving.state, len(leaving.losses)) == ("finished", 5)


def test_what_goes_wrong_is_told_and_the_next_is_painted(caplog: pytest.LogCaptureFixture) -> None:
    def impossible(callback: Callback) -> Result:
        raise UsageError("the size is 1: expected more")

    def broken(callback: Callback) -> Result:
        raise ZeroDivisionError("secret")

    queue = JobQueue()
    made = [queue.submit(work) for work in (impossible, broken, painting())]
    for _ in made:
        queue.paint_next()
    assert [job.state for job in made] == ["failed", "failed", "finished"]
    assert made[0].sentence == "the size is 1: expected more"
    assert "secret" not in made[1].sentence
    assert "secret" in caplog.text


def test_a_full_queue_says_so_until_someone_leaves() -> None:
    clock = Clock()
    queue = JobQueue(clock)
    waiting = [queue.submit(painting()) for _ in range(jobs.MOST_WAITING)]
    with pytest.raises(StyleTransferError, match="are waiting already: try again"):
        queue.submit(painting())
    clock.now = jobs.PATIENCE + 1
    assert queue.look(queue.submit(painting())) == 0
    assert {job.state for job in waiting} == {"cancelled"}


def test_a_thread_paints_what_comes() -> None:
    queue = JobQueue()
    queue.start()
    made: list[Job] = [queue.submit(painting()) for _ in range(3)]
    while any(job.live for job in made):
        time.sleep(0.01)
    assert [job.result for job in made] == [PAINTED] * 3


# The command line


def options_in(line: str, tmp_path: Path) -> dict[str, Any]:
    """What the words of a command line say, by the names of `TransferConfig`."""
    words = shlex.split(line)
    flags = dict(zip(words[3::2], words[4::2], strict=True))
    config = tmp_path / "options.toml"
    known = {option.name for option in fields(TransferConfig)}
    named = {flag.removeprefix("--"): text for flag, text in flags.items() if flag[2:].replace("-", "_") in known}
    config.write_text("".join(f"{name} = {json.dumps(text)}\n" for name, text in named.items()))
    return read_options(config)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_command_line_says_every_option_exactly(preset: str, tmp_path: Path) -> None:
    config = TransferConfig.preset(preset, seed=7, tv_weight=0.1 + 0.2, max_memory="6GB", device="cpu")
    line = command_line("a.jpg", [StyleFile("b.jpg")], config, "c.png")
    assert TransferConfig.from_options(options_in(line, tmp_path)) == config
    assert "--device cpu" in line
    assert "--quality" not in line


def test_a_command_line_is_quoted_and_names_every_picture() -> None:
    styles = [StyleFile("o'er.png", 0.5), StyleFile("b c.jpg", 1 / 3, "b region.png")]
    line = command_line("$HOME.jpg", styles, TransferConfig(), "out.png")
    assert shlex.split(line) == [
        "python", "-m", "core.transfer", "--content", "$HOME.jpg", "--style", "o'er.png:0.5",
        "--style", "b c.jpg:0.3333333333333333", "--region", "b region.png=b c.jpg", "--output", "out.png",
    ]  # fmt: skip
    heard = subprocess.run(["sh", "-c", f"printf '%s\\n' {line}"], capture_output=True, text=True, check=True)
    assert heard.stdout.splitlines() == shlex.split(line)


# Pictures


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("cat.jpg", "cat.jpg"),
        ("../../etc/a.png", "a.png"),
        ("C:\\b.png", "b.png"),
        ("--a=b:1,2.png", "a-b-1-2.png"),
        (".png", "png"),
        ("/", "picture"),
        ("猫 1.jpg", "猫 1.jpg"),
    ],
)
def test_names_of_uploads_stay_in_their_folder(given: str, safe: str) -> None:
    assert safe_name(given) == safe


def test_pictures_are_read_once_and_go_with_their_visitor(content_path: Path) -> None:
    folder, reads = SessionDir(), []

    def read() -> bytes:
        reads.append(1)
        return content_path.read_bytes()

    first, again = (folder.add("1", "cup.png", read, "content") for _ in range(2))
    assert first is again
    assert (first.size, first.name, len(reads)) == ((96, 64), "cup.png", 1)
    other = folder.add("2", "cup.png", read, "style")
    assert other.path != first.path
    assert first.path.read_bytes() == content_path.read_bytes()
    del folder
    assert not first.path.exists()


def test_what_is_no_picture_is_told_by_the_name_its_visitor_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = SessionDir()
    for _ in range(2):
        with pytest.raises(UsageError) as error:
            folder.add("1", "notes.png", lambda: b"no picture", "content")
        assert str(error.value) == ("content notes.png is not an image that Pillow can read: convert it to PNG or JPEG")


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(
    content_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.webapp.uploads.MOST_PIXELS", 96 * 64 - 1)
    monkeypatch.setattr("core.webapp.uploads.read_image", lambda *_, **__: pytest.exit_with_error("it was decoded"))
    with pytest.raises(UsageError, match=r"^style cup.png has 96x64 px, and this page takes .*: scale it down first$"):
        SessionDir().add("1", "cup.png", content_path.read_bytes, "style")


# The form


def form() -> None:
    import streamlit as st

    from core.webapp.options_form import choose_options

    st.session_state["chosen"] = choose_options()


def chosen(test: Any) -> TransferConfig:
    assert not test.exception
    return TransferConfig.from_options(test.session_state["chosen"])


def test_the_form_has_every_option_and_starts_at_its_default() -> None:
    from streamlit.testing.v1 import AppTest

    test = AppTest.from_function(form, default_timeout=600).run()
    assert test.session_state["chosen"].keys() == {option.name for option in fields(TransferConfig)}
    assert chosen(test) == TransferConfig(strength=0.5)
    for preset in PRESETS:
        test.selectbox[0].set_value(preset).run()
        assert chosen(test) == TransferConfig.preset(preset)


def test_what_is_set_on_the_form_is_what_is_painted() -> None:
    from streamlit.testing.v1 import AppTest

    test = AppTest.from_function(form, default_timeout=600).run()
    test.slider[0].set_value(80)
    test.text_input(key="toolkit style_weight").set_value("1, 2, 3, 4, 5.5")
    test.text_input(key="toolkit max_memory").set_value("6GB")
    test.number_input(key="toolkit tv_weight").set_value(0.1 + 0.2)
    test.selectbox(key="toolkit weights_preprocessing").set_value("caffe")
    test.run()
    assert chosen(test) == TransferConfig(
        strength=0.8, style_weight=(1, 2, 3, 4, 5.5), max_memory=6 * 10**9, tv_weight=0.1 + 0.2,
        weights_preprocessing="caffe",
    )  # fmt: skip
    test.toggle[0].set_value(True).run()
    assert chosen(test).strength is None


# In a browser


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A page that is served as the command line serves it."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("page") / "log"
    with log.open("w") as lines:
        process = subprocess.Popen([sys.executable, "-m", "core.app", "--port", str(port)], stdout=lines, stderr=lines)
    url = f"http://{LOOPBACK}:{port}/"
    try:
        while not serves(url):
            assert process.poll() is None, log.read_text()
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait()
    assert "Traceback" not in log.read_text()


def serves(url: str) -> bool:
    try:
        with urllib.request.urlopen(url + "_stcore/health", timeout=60) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


class Visitor:
    """Someone with a browser of their own."""

    def __init__(self, browser: Any, address: str, *, width: int = 1280) -> None:
        self.page = browser.new_context(viewport={"width": width, "height": 900}).new_page()
        self.page.set_default_timeout(600_000)
        self.elsewhere: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self._note(request.url, address))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(address)
        self.paint_button.wait_for()

    def _note(self, url: str, address: str) -> None:
        if not url.startswith((address, "data:", "blob:")):
            self.elsewhere.append(url)

    @property
    def paint_button(self) -> Any:
        return self.page.get_by_role("button", name="Paint", exact=True)

    def upload(self, key: str, *paths: Path) -> None:
        self.page.locator(f".st-key-{key} input[type=file]").set_input_files(paths)

    def choose(self, content: Path, *styles: Path) -> None:
        self.upload("content", content)
        self.page.get_by_alt_text(content.name, exact=True).wait_for()
        self.upload("styles", *styles)
        for style in styles:
            self.page.get_by_alt_text(style.name, exact=True).wait_for()

    def set_number(self, label: str, value: int) -> None:
        # What is typed while the page is still busy with something else may be lost.
        self.page.locator("[data-test-script-state=notRunning]").wait_for()
        self.page.get_by_role("spinbutton", name=label, exact=True).fill(str(value))
        self.page.keyboard.press("Enter")

    def paint(self, *, size: int = 48, evaluations: int = 4) -> None:
        self.set_number("Image size", size)
        self.set_number("Evaluations", evaluations)
        self.says(f"{evaluations / 20:g} epochs of 20")
        self.paint_button.click()

    def says(self, text: str) -> None:
        self.page.get_by_text(text).first.wait_for()

    def save(self, button: str, folder: Path) -> Path:
        with self.page.expect_download() as download:
            self.page.get_by_role("button", name=button, exact=True).click()
        path = folder / download.value.suggested_filename
        download.value.save_as(path)
        return path

    def command(self) -> str:
        self.page.get_by_text("The same from a command line").click()
        code = self.page.locator("code").first
        code.wait_for()
        return str(code.inner_text())


def repeat(command: str, folder: Path) -> Path:
    """Run a copied command line in a folder; the painting it wrote."""
    words = shlex.split(command)
    assert words[0] == "python"
    ran = subprocess.run([sys.executable, *words[1:]], cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return folder / words[-1]


@pytest.fixture(scope="module")
def visitor(browser: Any, address: str, content_path: Path, style_path: Path) -> Visitor:
    """One whose painting is finished."""
    someone = Visitor(browser, address)
    someone.choose(content_path, style_path)
    someone.paint()
    someone.says("Finished after 4 evaluations")
    return someone


@in_browser
def test_a_whole_transfer(visitor: Visitor, content_path: Path, style_path: Path, tmp_path: Path) -> None:
    visitor.says("48 × 32 px")
    saved = visitor.save("Save the painting", tmp_path)
    assert saved.name == "cup-night.png"
    kept = json.loads(read_record(saved) or "")
    assert kept["content"]["path"] == "cup.png"
    assert kept["content"]["sha256"] == hashlib.sha256(content_path.read_bytes()).hexdigest()
    assert (kept["config"]["image_size"], kept["config"]["iterations"]) == (48, 4)
    record = json.loads(visitor.save("Its record", tmp_path).read_text())
    assert record.pop("losses")[-1]["evaluations"] == 4
    assert record == kept

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for path in (content_path, style_path):
        shutil.copy(path, elsewhere)
    np.testing.assert_array_equal(pixels_of(saved), pixels_of(repeat(visitor.command(), elsewhere)))


@in_browser
def test_other_formats(visitor: Visitor, tmp_path: Path) -> None:
    visitor.page.get_by_role("radio", name="JPG").click()
    visitor.says("cup-night.jpg")
    with Image.open(visitor.save("Save the painting", tmp_path)) as saved:
        assert (saved.format, saved.size) == ("JPEG", (48, 32))


@in_browser
def test_the_slider_lies_between_photograph_and_painting(visitor: Visitor) -> None:
    slider = visitor.page.get_by_role("slider", name="Photograph on the left, painting on the right")
    slider.fill("75")
    clip = "(slider) => getComputedStyle(slider.getRootNode().querySelector('#before')).clipPath"
    assert slider.evaluate(clip) == "inset(0px 25% 0px 0px)"


def at_rest(element: Any) -> dict[str, float]:
    """The box of an element in view that other parts of the page, as they open, have pushed to its place."""
    element.scroll_into_view_if_needed()
    before, box = None, element.bounding_box()
    while box != before:
        element.page.wait_for_timeout(300)
        before, box = box, element.bounding_box()
    return cast("dict[str, float]", box)


@in_browser
def test_several_styles_and_a_painted_region(
    browser: Any, address: str, content_path: Path, style_path: Path, tmp_path: Path
) -> None:
    stripes = tmp_path / "our__stripes.png"
    Image.fromarray(np.tile(np.uint8([[250, 200, 20], [120, 20, 90]]).repeat(4, 0), (40, 8, 1))).save(stripes)
    visitor = Visitor(browser, address)
    visitor.choose(content_path, style_path, stripes)
    visitor.page.get_by_text("Only in a part of the photograph").first.click()
    canvas = visitor.page.locator("canvas[aria-label]").first
    box = at_rest(canvas)
    visitor.page.mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 0.5 * box["height"])
    visitor.page.mouse.down()
    visitor.page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 0.5 * box["height"], steps=4)
    visitor.page.mouse.up()
    visitor.paint()
    visitor.says("Finished after 4 evaluations")
    saved = visitor.save("Save the painting", tmp_path)
    mask = visitor.save("night-region.png", tmp_path)
    painted = np.asarray(Image.open(mask).convert("L"))
    height, width = painted.shape
    assert painted[height // 2, width // 4] == 255
    assert painted[:, width // 2 :].max() == 0
    shutil.copy(content_path, tmp_path)
    shutil.copy(style_path, tmp_path)
    command = visitor.command()
    assert "--style night.jpg:1.0 --style our__stripes.png:1.0 --region night-region.png=night.jpg" in command
    first = pixels_of(saved)
    np.testing.assert_array_equal(first, pixels_of(repeat(command, tmp_path)))
    visitor.page.context.close()


@in_browser
def test_two_visitors_get_their_own_pictures(
    browser: Any, address: str, content_path: Path, style_path: Path, tmp_path: Path
) -> None:
    """The first stops a painting that would take for ever, and keeps it; the second waits for that long."""
    tall = tmp_path / "tall.png"
    with Image.open(content_path) as photograph:
        photograph.resize((48, 96)).save(tall)
    first, second = Visitor(browser, address), Visitor(browser, address)
    first.choose(content_path, style_path)
    first.paint(evaluations=1_000_000)
    first.says("of 1000000")
    second.choose(tall, style_path)
    second.paint()
    second.says("1 painting is ahead of yours")
    first.page.get_by_role("button", name="Stop and keep").click()
    first.says("Stopped after")
    second.says("Finished after 4 evaluations")
    records = []
    for visitor, name, shape in ((first, "cup", (32, 48, 3)), (second, "tall", (48, 24, 3))):
        saved = visitor.save("Save the painting", tmp_path)
        assert saved.name == f"{name}-night.png"
        assert pixels_of(saved).shape == shape
        records.append(json.loads(read_record(saved) or ""))
    assert [record["stopped"] for record in records] == [True, False]
    assert [record["config"]["iterations"] for record in records] == [1_000_000, 4]
    for visitor in (first, second):
        visitor.page.context.close()


@in_browser
def test_what_cannot_be_painted_is_told(browser: Any, address: str, content_path: Path, tmp_path: Path) -> None:
    visitor = Visitor(browser, address)
    visitor.paint_button.click()
    visitor.says("no photograph was chosen: upload one, or take a sample")
    notes = tmp_path / "notes.png"
    notes.write_text("no picture")
    visitor.upload("content", notes)
    visitor.says("content notes.png is not an image that Pillow can read: convert it to PNG or JPEG")
    visitor.upload("content", content_path)
    visitor.page.get_by_alt_text("cup.png", exact=True).wait_for()
    visitor.paint_button.click()
    visitor.says("no style was chosen: upload one, or take a sample")
    assert "Traceback" not in visitor.page.content()
    visitor.page.context.close()


@in_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(visitor: Visitor, scheme: str) -> None:
    """With the form filled in and a painting finished."""
    visitor.page.emulate_media(color_scheme=scheme)
    visitor.page.set_viewport_size({"width": 360, "height": 740})
    visitor.says("Finished after")
    for scrolled in ("document.documentElement", "document.querySelector('.stMain')"):
        visitor.page.wait_for_function(f"{scrolled}.scrollWidth <= 360", timeout=60_000)
    paper = visitor.page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor")
    assert paper == {"light": "rgb(247, 244, 238)", "dark": "rgb(23, 21, 18)"}[scheme]


@in_browser
@pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is this machine only on Linux")
def test_only_this_machine_is_served(address: str) -> None:
    """All of 127.0.0.0/8 is this machine, but a server at 127.0.0.1 hears the one address."""
    port = int(address.rstrip("/").rpartition(":")[2])
    socket.create_connection((LOOPBACK, port), timeout=60).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port), timeout=60)


@in_browser
def test_nothing_is_fetched_from_elsewhere(visitor: Visitor) -> None:
    """After everything above."""
    assert visitor.elsewhere == []
    assert visitor.complaints == []
