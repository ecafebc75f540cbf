"""Servers that a test starts in a process of its own."""

import socket
from urllib.error import URLError
from urllib.request import urlopen

from core.webapp.server import LOOPBACK


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port


def is_ready(url: str) -> bool:
    """Return whether a server answers a request for `url` with success."""
    try:
        with urlopen(url, timeout=60) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False
