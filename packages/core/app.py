"""The page: `python -m core.app` serves it to this machine's browsers (needs Streamlit, the extra `app`)."""

import socket
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from core.cli.errors import report_errors
from core.errors import StyleTransferError, UsageError
from core.files import reason

LOOPBACK = "127.0.0.1"
LARGEST_UPLOAD = 32
"""Megabytes that one picture may have."""

SETTINGS = {
    "server.headless": "true",  # opens no browser, and asks for no e-mail address
    "server.fileWatcherType": "none",
    "server.maxUploadSize": str(LARGEST_UPLOAD),
    "browser.gatherUsageStats": "false",
    "client.showErrorDetails": "none",
    "client.toolbarMode": "minimal",
    "theme.font": "sans-serif",
    "theme.headingFont": "serif",
    "theme.baseRadius": "0.5rem",
    "theme.light.primaryColor": "#9a3a17",
    "theme.light.backgroundColor": "#f7f4ee",
    "theme.light.secondaryBackgroundColor": "#ece6da",
    "theme.light.textColor": "#211d18",
    "theme.light.borderColor": "#d9d0c2",
    "theme.dark.primaryColor": "#d9773f",
    "theme.dark.backgroundColor": "#171512",
    "theme.dark.secondaryBackgroundColor": "#282420",
    "theme.dark.textColor": "#f2ece2",
    "theme.dark.borderColor": "#3b352d",
}
"""Settings of Streamlit. The colours are those of the page that `python -m export web` writes."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(context_settings={"help_option_names": ["-h", "--help"]})
def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen at; 0.0.0.0 lets everyone in who reaches this machine.")
    ] = LOOPBACK,
    port: Annotated[int, typer.Option(help="Port to listen at.")] = 8501,
) -> None:
    """Serve a page that paints in the style of another picture; Ctrl-C ends it.

    Several visitors may come at once: their paintings are made one after the other.
    """
    with report_errors():
        if find_spec("streamlit") is None:
            raise StyleTransferError("the page needs streamlit, which is not installed: run pip install '.[app]'")
        check_free(host, port)
        command = streamlit_command(host, port)
    from streamlit.web.cli import main

    main(command)


def streamlit_command(host: str, port: int) -> list[str]:
    """What `streamlit` is told to serve the page at that address."""
    script = Path(__file__).with_name("webapp") / "main.py"
    settings = SETTINGS | {"server.address": host, "server.port": str(port)}
    return ["run", str(script), *(f"--{name}={value}" for name, value in settings.items())]


def check_free(host: str, port: int) -> None:
    """Whether the page can be served there, known before Streamlit takes its seconds to start.

    Raises:
        UsageError: There is no such address or port, or another program listens there.
    """
    if not 0 < port < 65536:
        raise UsageError(f"--port is {port}: expected a whole number from 1 to 65535")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do, just after another has ended
            probe.bind(address)
    except (OSError, UnicodeError) as error:
        what = reason(error) if isinstance(error, OSError) else "no such address"
        raise UsageError(f"cannot serve at {host}, port {port}: {what}; choose others with --host, --port") from error


if __name__ == "__main__":
    app()
