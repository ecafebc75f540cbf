"""Serve a written page on the loopback interface: `python -m export serve`."""

import signal
from collections.abc import Callable
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from core.errors import UsageError
from core.files import reason
from export.web.folder import read_settings

LOOPBACK = "127.0.0.1"

HEADERS = {
    # Browsers provide the shared memory that WebAssembly threads need only to pages with these two headers.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


def make_server(folder: Path, port: int) -> ThreadingHTTPServer:
    """Return a server of the page in `folder` on the loopback interface; port 0 selects a free port.

    Raises:
        UsageError: The folder does not contain a page, or the port is in use.
    """
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}: write a page with python -m export web -o {folder}")
    read_settings(folder)

    def handle(*arguments: Any) -> "_Handler":
        return _Handler(*arguments, directory=str(folder))

    try:
        return ThreadingHTTPServer((LOOPBACK, port), handle)
    except (OSError, OverflowError) as error:
        cause = reason(error) if isinstance(error, OSError) else "invalid port"
        raise UsageError(f"cannot serve at port {port}: {cause}; choose another with --port") from error


class _Handler(SimpleHTTPRequestHandler):
    """Serves files with `HEADERS`; lists no directories and logs nothing."""

    extensions_map: dict[str, str] = {  # noqa: RUF012  # as in the base class
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
    """Call `announce` with the address, and serve the page until Ctrl-C or SIGTERM.

    Raises:
        UsageError: As `make_server`.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # shells start background jobs with SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    with make_server(folder, port) as server:
        announce(f"http://{LOOPBACK}:{server.server_port}/")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return
