"""Serve the page: address check, settings of Streamlit, and the application."""

import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from core.errors import UsageError
from core.files import reason
from core.webapp.access import AccessControl
from core.webapp.theme import streamlit_settings

LOOPBACK = "127.0.0.1"
MAX_UPLOAD_MB = 32
"""Size limit of one uploaded file in megabytes."""

_SETTINGS = {
    "server.headless": True,  # do not open a browser or ask for an e-mail address
    "server.fileWatcherType": "none",
    "server.maxUploadSize": MAX_UPLOAD_MB,
    "browser.gatherUsageStats": False,
    "client.showErrorDetails": "none",
    "client.toolbarMode": "minimal",
    # With PyTorch's objects a collection takes a quarter of a second, and a page that shows a run repeats its script
    # every second. The queue collects after each job.
    "runner.postScriptGC": False,
}


def settings(host: str, port: int) -> dict[str, Any]:
    """Return the settings of Streamlit, by name, that serve the page at this address."""
    return _SETTINGS | streamlit_settings() | {"server.address": host, "server.port": port}


def serve(host: str, port: int, allowed_hosts: Sequence[str] = ()) -> None:
    """Serve the page until Ctrl-C or SIGTERM.

    Args:
        host: Address to listen on.
        port: Port to listen on.
        allowed_hosts: See `AccessControl`.
    """
    import streamlit
    from starlette.middleware import Middleware

    names = [host, *allowed_hosts]
    page = streamlit.App(Path(__file__).with_name("main.py"), middleware=[Middleware(AccessControl, hosts=names)])
    # The server ends its sessions and then raises the signal again, which would end the process before its jobs.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        page.run(config=settings(host, port))


def check_address(host: str, port: int) -> None:
    """Check that the page can be served at this address, before the slow start of Streamlit.

    Raises:
        UsageError: The host or the port is invalid, or another program listens on the port.
    """
    if not 0 < port < 65536:
        raise UsageError(f"--port is {port}: expected a whole number from 1 to 65535")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            # Servers set this option too: it permits a port whose last server ended moments ago.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, UnicodeError) as error:
        cause = reason(error) if isinstance(error, OSError) else "invalid host name"
        raise UsageError(f"cannot listen on {host}:{port}: {cause}; choose another --host or --port") from error
