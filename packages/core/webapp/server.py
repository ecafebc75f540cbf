"""Address check and Streamlit arguments for serving the page."""

import socket
from pathlib import Path

from core.errors import UsageError
from core.files import reason
from core.webapp.theme import streamlit_settings

LOOPBACK = "127.0.0.1"
MAX_UPLOAD_MB = 32
"""Size limit of one uploaded file in megabytes."""

_SETTINGS = {
    "server.headless": "true",  # do not open a browser or ask for an e-mail address
    "server.fileWatcherType": "none",
    "server.maxUploadSize": str(MAX_UPLOAD_MB),
    "browser.gatherUsageStats": "false",
    "client.showErrorDetails": "none",
    "client.toolbarMode": "minimal",
}


def streamlit_arguments(host: str, port: int) -> list[str]:
    """Return the arguments of the `streamlit` command that serves the page at this address."""
    script = Path(__file__).with_name("main.py")
    settings = _SETTINGS | streamlit_settings() | {"server.address": host, "server.port": str(port)}
    return ["run", str(script), *(f"--{name}={value}" for name, value in settings.items())]


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
