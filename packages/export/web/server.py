"""Serves a page that `python -m export web` wrote, to this machine alone: `python -m export serve`."""

import signal
from collections.abc import Callable
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from core.errors import UsageError
from core.files import reason
from export.web.page import read_description

LOOPBACK = "127.0.0.1"
HEADERS = {
    # Threads need memory that several of them share, which browsers grant only to pages isolated like this.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


def make_server(folder: Path, port: int) -> ThreadingHTTPServer:
    """A server of the page in `folder` that only this machine reaches; 0 lets the system choose the port.

    Raises:
        UsageError: There is no page in the folder, or the port is taken.
    """
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}: write a page with python -m export web -o {folder}")
    read_description(folder)

    def handle(*arguments: Any) -> "_Handler":
        return _Handler(*arguments, directory=str(folder))

    try:
        return ThreadingHTTPServer((LOOPBACK, port), handle)
    except (OSError, OverflowError) as error:
        what = reason(error) if isinstance(error, OSError) else "there is no such port"
        raise UsageError(f"cannot serve at port {port}: {what}; choose another with --port") from error


class _Handler(SimpleHTTPRequestHandler):
    """Files with the headers that threads need; no listings, and nothing printed."""

    extensions_map: dict[str, str] = {  # noqa: RUF012  # as in the class above
        ".html": "text/html; charset=utf-8",
        ".css": "text/css; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".mjs": "text/javascript; charset=utf-8",
        ".json": "application/json",
        ".wasm": "application/wasm",
        ".jpg": "image/jpeg",
        "": "application/octet-stream",
    }

    def end_headers(self) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def list_directory(self, path: Any) -> None:
        self.send_error(404)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def serve(folder: Path, port: int, announce: Callable[[str], None]) -> None:
    """Serve the page until Ctrl-C or SIGTERM, after having told `announce` its address."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell lets its background jobs ignore the first
        signal.signal(number, signal.default_int_handler)
    with make_server(folder, port) as server:
        announce(f"http://{LOOPBACK}:{server.server_port}/")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return
