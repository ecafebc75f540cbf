"""Command line that serves the web page: `python -m core.app` (needs Streamlit, the extra `app`)."""

from importlib.util import find_spec
from typing import Annotated

import typer

from core.cli.command import App
from core.cli.errors import report_errors
from core.errors import StyleTransferError
from core.webapp.server import LOOPBACK, check_address, streamlit_arguments

app = App()


@app.command(context_settings={"help_option_names": ["-h", "--help"]})
def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 accepts connections from other machines.")
    ] = LOOPBACK,
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8501,
) -> None:
    """Serve a web page that runs style transfers; press Ctrl-C to stop it.

    The transfers of all visitors share one queue and run one at a time.
    """
    with report_errors():
        if find_spec("streamlit") is None:
            raise StyleTransferError("the page needs Streamlit, which is not installed: run pip install '.[app]'")
        check_address(host, port)
    from streamlit.web.cli import main

    main(streamlit_arguments(host, port))


if __name__ == "__main__":
    app()
