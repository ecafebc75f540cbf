"""Serve a written page on the loopback interface: `python -m export serve`."""

import signal
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

from core.errors import UsageError
from core.files import reason
from export.web.folder import SETTINGS_FILE, read_settings

LOOPBACK = "127.0.0.1"
HOSTS = (LOOPBACK, "localhost")
"""Names of this machine in requests; a page of another name could use this server (DNS rebinding)."""

SILENCE_TIMEOUT = 10.0
"""Seconds without any progress after which a connection is closed."""
CONNECTION_TIMEOUT = 120.0
"""Seconds after which a connection is closed; the largest file takes less than one on this machine."""

HEADERS = {
    # Browsers provide the shared memory that WebAssembly threads need only to pages with these two headers.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "frame-ancestors 'none'",
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
    names = frozenset((SETTINGS_FILE, *read_settings(folder)["files"]))

    def handle(*arguments: Any) -> "_Handler":
        return _Handler(*arguments, folder=folder.resolve(), names=names)

    try:
        return ThreadingHTTPServer((LOOPBACK, port), handle)
    except (OSError, OverflowError) as error:
        cause = reason(error) if isinstance(error, OSError) else "invalid port"
        raise UsageError(f"cannot serve at port {port}: {cause}; choose another with --port") from error


class _Handler(SimpleHTTPRequestHandler):
    """Serves the named files of a folder with `HEADERS`; follows no links, lists no directories and logs nothing."""

    timeout = SILENCE_TIMEOUT

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

    def __init__(self, *arguments: Any, folder: Path, names: frozenset[str]) -> None:
        self._folder, self._names = folder, names
        super().__init__(*arguments, directory=str(folder))

    def handle(self) -> None:
        ends = threading.Timer(CONNECTION_TIMEOUT, self._close)
        ends.daemon = True
        ends.start()
        with suppress(OSError):  # the client is too slow, or closed the connection
            super().handle()
        ends.cancel()

    def _close(self) -> None:
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def send_head(self) -> BinaryIO | None:
        name = unquote(urlsplit(self.path).path).removeprefix("/") or "index.html"
        path = self._folder / name
        if self.headers.get("Host", "").partition(":")[0] not in HOSTS:
            self.send_error(403)
        elif name not in self._names or path.resolve() != path:
            self.send_error(404)
        else:
            return super().send_head()
        return None

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
