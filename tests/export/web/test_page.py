"""The page that paints in a browser: what is written, how it is served, and what it does in headless Chromium."""

import base64
import functools
import http.client
import json
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from core.objective.objective import ReferenceObjective, compute_targets
from PIL import Image

from core.config.transfer_config import TransferConfig
from core.image.color import match_color_bands
from core.image.reading import read_image
from core.image.resize import resample
from core.network.vgg import load_vgg_features
from core.network.weights import load_weights
from core.objective.weights import LossWeights
from core.optim.lbfgs import lbfgs
from core.optim.types import Evaluation
from export.web import page as web
from export.web import server as web_server
from support.export_command import refused, run
from support.images import CHROMIUM

EXAMPLES = Path(__file__).parents[3] / "examples"

NPM = shutil.which("npm")
needs_npm = pytest.mark.skipif(NPM is None, reason="npm, which fetches onnxruntime-web, is not installed")
in_browser = pytest.mark.skipif(not (NPM and CHROMIUM), reason="npm or the browser chromium is not installed")


@pytest.fixture(scope="module")
def page_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page as the command line writes it, with an objective of its own and npm's package."""
    folder = tmp_path_factory.mktemp("web") / "page"
    result = run("web", "-o", folder, "--examples", EXAMPLES)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith(f"{folder}: a page, ")
    return folder


# Writing it


@needs_npm
def test_the_page_holds_what_it_says_and_nothing_else(page_folder: Path) -> None:
    description = json.loads((page_folder / "page.json").read_text())
    held = {path.relative_to(page_folder).as_posix() for path in page_folder.rglob("*") if path.is_file()}
    assert held == {"page.json", *description["files"]}
    assert {f"ort/{name}" for name in web.RUNTIME_FILES} < held
    assert sum(path.stat().st_size for path in page_folder.rglob("*")) < 60e6
    assert list(page_folder.parent.iterdir()) == [page_folder]


@needs_npm
def test_a_page_is_replaced_but_nothing_else_is(page_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "page"
    given = ("--objective", page_folder / "objective.onnx", "--onnxruntime-web", page_folder / "ort")
    web.check_replaceable(page_folder)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("mine")
    assert refused("web", "-o", tmp_path / "notes", *given) == (
        f"{tmp_path / 'notes'} is no page that python -m export web wrote: choose another folder"
    )
    shutil.copytree(page_folder, folder, ignore=shutil.ignore_patterns("*.wasm", "*.onnx"))
    (folder / "mine.txt").write_text("mine")
    assert refused("web", "-o", folder, *given).startswith(f"{folder} holds mine.txt, which no page of ours does")
    assert (folder / "mine.txt").read_text() == "mine"
    assert refused("web", "-o", folder / "mine.txt", *given).endswith("is a file: name a folder for the page")


@needs_npm
def test_what_is_missing_is_told_and_nothing_is_written(page_folder: Path, tmp_path: Path, monkeypatch) -> None:
    folder, objective = tmp_path / "page", page_folder / "objective.onnx"
    (tmp_path / "empty").mkdir()
    sentence = refused("web", "-o", folder, "--objective", objective, "--onnxruntime-web", tmp_path / "empty")
    assert sentence.startswith(f"{tmp_path / 'empty'} has no ort.wasm.min.mjs: expected the npm package")
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    sentence = refused("web", "-o", folder, "--objective", objective, status=1)
    assert sentence.startswith("fetching onnxruntime-web needs npm, which is not installed: ")
    assert refused("web", "-o", folder, "--objective", tmp_path / "o.onnx").startswith("there is no artifact")
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


# Serving it


@needs_npm
def test_serving_announces_itself_and_ends_quietly(page_folder: Path) -> None:
    command = [sys.executable, "-m", "export", "serve", str(page_folder), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    connection = http.client.HTTPConnection(address.removeprefix("http://").rstrip("/"))
    types = {}
    for path in ("/", "/paint.js", "/ort/ort.wasm.min.mjs", "/ort/ort-wasm-simd-threaded.wasm", "/page.json"):
        connection.request("HEAD", path)
        response = connection.getresponse()
        response.read()
        types[path] = response.headers["Content-Type"].partition(";")[0]
        assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert response.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    connection.request("GET", "/ort/")
    assert connection.getresponse().status == 404
    script = "text/javascript"
    assert list(types.values()) == ["text/html", script, script, "application/wasm", "application/json"]
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30) == ("", "")
    assert process.returncode == 0


@needs_npm
def test_what_cannot_be_served_is_told(page_folder: Path, tmp_path: Path) -> None:
    assert refused("serve", tmp_path / "none").startswith(f"there is no folder {tmp_path / 'none'}: write a page")
    assert refused("serve", tmp_path).startswith(f"{tmp_path} is no page that python -m export web wrote")
    with web_server.make_server(page_folder, 0) as server:
        sentence = refused("serve", page_folder, "--port", server.server_port)
    assert sentence.startswith(f"cannot serve at port {server.server_port}: ")
    assert sentence.endswith("choose another with --port")


# In a browser


@dataclass
class Visit:
    """A page in a browser, what it asked for, and what it complained about."""

    page: Any
    address: str
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def choose(self, content: Path, style: Path, *, size: int = 64, evaluations: int = 10) -> None:
        """Fill in the form; the size may be smaller than what a visitor can choose."""
        for name, least in (("size", 64), ("evaluations", 10)):
            self.page.evaluate("([id, least]) => { document.getElementById(id).min = least }", [name, least])
        for name, value in (("size", size), ("evaluations", evaluations)):
            self.page.evaluate("([id, value]) => { document.getElementById(id).value = value }", [name, value])
        for role, path in (("content", content), ("style", style)):
            self.page.set_input_files(f"#{role}-file", path)
            self.page.wait_for_selector(f"#{role}-preview:visible")  # reading it takes a moment

    def wait_for_status(self, pattern: str) -> None:
        """Wait until the page says something that matches."""
        self.page.locator("#status", has_text=re.compile(pattern)).wait_for()

    def canvas(self) -> np.ndarray:
        """What the canvas shows, (H, W, 3) uint8."""
        coded = self.page.evaluate("document.getElementById('canvas').toDataURL('image/png')")
        return np.asarray(Image.open(BytesIO(base64.b64decode(coded.partition(",")[2]))).convert("RGB"))

    def loss(self) -> float:
        return float(self.page.inner_text("#loss").replace(",", ""))


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[str]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def visit(browser: Any, address: str, **options: Any) -> Visit:
    page = browser.new_page(**options)
    page.set_default_timeout(180_000)
    here = Visit(page, address)
    page.on("request", lambda request: here.requests.append(request.url))
    page.on("console", lambda message: here.complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: here.complaints.append(str(error)))
    page.goto(address)
    return here


@pytest.fixture(scope="module")
def visited(page_folder: Path, browser: Any) -> Iterator[Visit]:
    with serving(web_server.make_server(page_folder, 0)) as address:
        here = visit(browser, address)
        here.page.evaluate("paint.ready")
        yield here


@pytest.fixture
def pictures() -> dict[str, np.ndarray]:
    """Content, style and image, (1, 3, H, W), of sizes even and odd."""
    content = resample(read_image(EXAMPLES / "content" / "cat.jpg").pixels, (49, 34)).clip(0, 1)
    style = resample(read_image(EXAMPLES / "style" / "mosaic.jpg").pixels, (40, 45)).clip(0, 1)
    image = np.random.default_rng(0).random(content.shape, dtype=np.float32)
    return {"content": content, "style": style, "image": image}


def as_script(pixels: np.ndarray) -> dict[str, Any]:
    return {"height": pixels.shape[2], "width": pixels.shape[3], "pixels": pixels.ravel().tolist()}


def relative(actual: Any, expected: Any) -> float:
    difference = np.asarray(actual, np.float64).ravel() - np.asarray(expected, np.float64).ravel()
    return float(np.linalg.norm(difference) / np.linalg.norm(np.asarray(expected, np.float64)))


REVIVE = "const revive = (p) => ({ ...p, pixels: Float32Array.from(p.pixels) });"
"""Arrays come to a browser as plain lists."""


@in_browser
def test_threads_are_used_where_the_server_allows(visited: Visit) -> None:
    assert visited.page.evaluate("crossOriginIsolated") is True
    threads = min(visited.page.evaluate("navigator.hardwareConcurrency"), 8)
    assert visited.page.inner_text("#backend") == f"WebAssembly, {threads} thread{'s' * (threads > 1)}"


@in_browser
def test_any_web_server_will_do(page_folder: Path, browser: Any) -> None:
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(page_folder))
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), handler)) as address:
        here = visit(browser, address)
        assert here.page.evaluate("paint.ready") == "WebAssembly, 1 thread"
        here.page.close()


@in_browser
def test_loss_and_gradient_are_those_of_pytorch(visited: Visit, pictures: dict[str, np.ndarray]) -> None:
    config = TransferConfig()
    weights = load_weights(config.arch, config.weights)
    extractor = load_vgg_features(weights, (*config.content_layers, *config.style_layers)).double()
    terms = LossWeights.of(config, weights.preprocessing.activation_scale)
    tensors = {role: torch.from_numpy(pixels).double() for role, pixels in pictures.items()}
    targets = compute_targets(extractor, tensors["content"], tensors["style"], terms)
    expected = ReferenceObjective(extractor, targets, terms)(tensors["image"])
    actual = visited.page.evaluate(
        f"""async (pictures) => {{
            {REVIVE}
            const [content, style, image] = pictures.map(revive);
            const result = await paint.evaluate({{ content, style, image }});
            return {{ ...result, gradient: [...result.gradient] }};
        }}""",
        [as_script(pictures[role]) for role in ("content", "style", "image")],
    )
    assert actual["loss"] == pytest.approx(expected.loss, rel=1e-5)
    assert {part: actual[part] for part in expected.parts} == pytest.approx(expected.parts, rel=1e-5)
    assert relative(actual["gradient"], expected.gradient) < 1e-3


@in_browser
def test_the_start_is_that_of_the_toolkit(visited: Visit, pictures: dict[str, np.ndarray]) -> None:
    actual = visited.page.evaluate(
        f"""async (pictures) => {{
            {REVIVE}
            const script = await import("/paint.js");
            return [...script.matchBands(...pictures.map(revive)).pixels];
        }}""",
        [as_script(pictures["content"]), as_script(pictures["style"])],
    )
    assert relative(actual, match_color_bands(pictures["content"], pictures["style"])) < 1e-4


@in_browser
def test_the_optimiser_is_that_of_the_toolkit(visited: Visit, page_folder: Path) -> None:
    """On a curved valley whose minimum lies outside the box, step by step."""
    size, evaluations = 12, 40
    scale = 4.0 ** (np.arange(size) / 3)
    aim = np.linspace(-0.4, 1.4, size)

    def objective(x: np.ndarray) -> Evaluation:
        difference = x.astype(np.float64) - aim
        loss = float((scale * (difference**2 + difference**4)).sum())
        return Evaluation(loss, (scale * (2 * difference + 4 * difference**3)).astype(np.float32), {})

    start = np.full(size, 0.5, np.float32)
    optimiser = json.loads((page_folder / "page.json").read_text())["optimiser"]
    steps = lbfgs(objective, start, evaluations=evaluations, history=optimiser["history"])
    expected = [(step.evaluations, step.loss) for step in steps]
    actual = visited.page.evaluate(
        """async ({ scale, aim, options }) => {
            const { lbfgs } = await import("/paint.js");
            const objective = async (x) => {
                const difference = [...x].map((value, i) => value - aim[i]);
                return {
                    loss: difference.reduce((sum, d, i) => sum + scale[i] * (d ** 2 + d ** 4), 0),
                    gradient: Float32Array.from(difference, (d, i) => scale[i] * (2 * d + 4 * d ** 3)),
                };
            };
            const steps = [];
            for await (const { evaluations, loss } of lbfgs(objective, new Float32Array(aim.length).fill(0.5), options))
                steps.push([evaluations, loss]);
            return steps;
        }""",
        {"scale": scale.tolist(), "aim": aim.tolist(), "options": optimiser | {"evaluations": evaluations}},
    )
    assert len(actual) > 10
    for (used, loss), (expected_used, expected_loss) in zip(actual[:10], expected[:10], strict=True):
        assert used == expected_used
        assert loss == pytest.approx(expected_loss, rel=1e-4)
    assert actual[-1][1] == pytest.approx(expected[-1][1], rel=1e-6)


@in_browser
def test_it_paints_and_saves_the_picture_it_shows(
    visited: Visit, content_path: Path, style_path: Path, tmp_path: Path
) -> None:
    page = visited.page
    visited.choose(content_path, style_path)
    photograph = visited.canvas()
    page.click("#paint:enabled")
    page.wait_for_selector("#figures:visible")
    first = visited.loss()
    visited.wait_for_status("^Finished after 10 steps")
    assert visited.loss() < 0.5 * first
    assert visited.loss() == pytest.approx(
        sum(float(page.inner_text(f"#loss-{part}").replace(",", "")) for part in ("content", "style")), rel=0.01
    )
    with page.expect_download() as download:
        page.click("#save:enabled")
    assert download.value.suggested_filename == "cup-night.png"
    download.value.save_as(tmp_path / "saved.png")
    with Image.open(tmp_path / "saved.png") as saved:
        assert saved.size == (64, 43)
        painting = np.asarray(saved.convert("RGB"))
    assert np.array_equal(painting, visited.canvas())
    # Its colours have become those of the style, which is blue, and the photograph's were brown.
    assert photograph[..., 0].mean() > photograph[..., 2].mean() + 30
    assert painting[..., 2].mean() > painting[..., 0].mean()


@in_browser
def test_stopping_keeps_the_best_picture(visited: Visit, content_path: Path, style_path: Path) -> None:
    page = visited.page
    visited.choose(content_path, style_path, evaluations=390)
    page.click("#paint:enabled")
    visited.wait_for_status("^Step .* of 390, about .* left$")
    assert page.is_disabled("#paint")
    page.click("#stop:enabled")
    visited.wait_for_status("^Stopped after")
    page.wait_for_selector("#save:enabled")
    assert visited.canvas().shape == (43, 64, 3)


@in_browser
def test_what_is_no_picture_is_told_in_one_sentence(visited: Visit, tmp_path: Path) -> None:
    (tmp_path / "notes.png").write_text("no picture")
    visited.page.set_input_files("#content-file", tmp_path / "notes.png")
    visited.page.wait_for_selector("#error:visible")
    assert visited.page.inner_text("#error") == (
        "notes.png is not a picture that this browser can read: choose a JPEG or PNG."
    )


@in_browser
def test_examples_are_one_click_away(visited: Visit) -> None:
    button = visited.page.get_by_role("button", name="cat", exact=True)
    button.click()
    visited.page.wait_for_selector("#content-examples button[aria-pressed=true]")
    assert button.get_attribute("aria-pressed") == "true"
    assert visited.canvas().shape[1] == 451


@in_browser
def test_every_control_has_a_name(visited: Visit) -> None:
    session = visited.page.context.new_cdp_session(visited.page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    roles = ("button", "slider", "textbox", "progressbar", "image", "alert", "group", "form", "region")
    controls = [node for node in nodes if node.get("role", {}).get("value") in roles and not node["ignored"]]
    names = [node.get("name", {}).get("value") for node in controls]
    assert len(names) > 10
    assert all(names), [node["role"]["value"] for node, name in zip(controls, names, strict=True) if not name]
    for name in ("Choose the photograph", "Size", "Style strength", "Steps", "Paint", "Stop", "Save"):
        assert name in " ".join(names)


@in_browser
def test_the_keyboard_reaches_everything(visited: Visit, content_path: Path, style_path: Path) -> None:
    visited.choose(content_path, style_path)
    visited.page.wait_for_selector("#paint:enabled")
    visited.page.evaluate("document.activeElement.blur()")
    reached = set()
    for _ in range(30):
        visited.page.keyboard.press("Tab")
        reached.add(visited.page.evaluate("document.activeElement.id"))
    assert {"content-file", "style-file", "size", "strength", "evaluations", "paint"} <= reached


@in_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_is_readable(visited: Visit, scheme: str) -> None:
    # Without motion, or colours would be read on their way from one scheme to the other.
    visited.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    visited.page.set_viewport_size({"width": 360, "height": 740})
    assert visited.page.evaluate("document.documentElement.scrollWidth") <= 360
    for selector in (
        "h1",
        "header p",
        "h2",
        ".slider label",
        ".slider output",
        "#status",
        "footer p",
        "#save",
        "#paint",
    ):
        colour, background = visited.page.eval_on_selector(
            selector,
            """(element) => {
                let behind = element;
                while (getComputedStyle(behind).backgroundColor === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
                return [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor];
            }""",
        )
        assert contrast(colour, background) >= 4.5, selector


def contrast(first: str, second: str) -> float:
    """The contrast ratio of two colours as WCAG 2 defines it."""
    low, high = sorted(luminance(colour) for colour in (first, second))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    levels = np.array([float(level) for level in colour.removeprefix("rgb(").rstrip(")").split(",")]) / 255
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@in_browser
def test_nothing_is_fetched_from_elsewhere(visited: Visit) -> None:
    """After everything above."""
    elsewhere = [url for url in visited.requests if not url.startswith((visited.address, "blob:", "data:"))]
    assert len(visited.requests) > 5
    assert elsewhere == []
    assert visited.complaints == []
