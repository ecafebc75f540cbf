"""Drive a page in headless Chromium."""

import base64
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


@dataclass
class Visit:
    """A page in a browser, with the addresses it requested and the errors it logged."""

    page: Any
    address: str
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def choose(self, content: Path, style: Path, *, size: int = 64, evaluations: int = 10) -> None:
        """Fill in the form; `size` and `evaluations` may be smaller than the form's minimum."""
        for name, value in (("size", size), ("evaluations", evaluations)):
            self.page.eval_on_selector(f"#{name}", "(input, value) => { input.min = 1; input.step = 1; }", value)
            self.page.eval_on_selector(f"#{name}", "(input, value) => { input.value = value; }", value)
        for role, path in (("content", content), ("style", style)):
            self.page.set_input_files(f"#{role}-file", path)
            self.page.wait_for_selector(f"#{role}-preview:visible")

    def wait_for_status(self, pattern: str) -> None:
        """Wait until the status matches a regular expression."""
        self.page.locator("#status", has_text=re.compile(pattern)).wait_for()

    def canvas(self) -> np.ndarray:
        """Return the image on the canvas, (H, W, 3) uint8."""
        url = self.page.evaluate("document.getElementById('canvas').toDataURL('image/png')")
        return np.asarray(Image.open(BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB"))

    def loss(self, part: str = "") -> float:
        """Return the displayed loss, or its `part` "content", "style" or "tv"."""
        return float(self.page.inner_text(f"#loss-{part}" if part else "#loss").replace(",", ""))


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[str]:
    """Serve in a thread; yield the address."""
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def visit(browser: Any, address: str) -> Visit:
    """Open a page and wait until it is ready."""
    page = browser.new_page()
    page.set_default_timeout(180_000)
    opened = Visit(page, address)
    page.on("request", lambda request: opened.requests.append(request.url))
    page.on("console", lambda message: opened.errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: opened.errors.append(str(error)))
    page.goto(address)
    page.evaluate("styleTransfer.ready")
    return opened


def contrast(first: str, second: str) -> float:
    """Return the contrast ratio of two colours, "rgb(R, G, B)", as WCAG 2 defines it."""
    low, high = sorted(_relative_luminance(color) for color in (first, second))
    return (high + 0.05) / (low + 0.05)


def _relative_luminance(color: str) -> float:
    levels = np.array([float(level) for level in color.removeprefix("rgb(").rstrip(")").split(",")]) / 255
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])
