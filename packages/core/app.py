"""Command line that serves the web page: `python -m core.app` (needs Streamlit, the extra `app`)."""

from importlib.util import find_spec
from typing import Annotated

import typer

from core.artifacts.lookup import with_artifacts
from core.cli.command import App
from core.cli.errors import report_errors
from core.config.options import options_of
from core.config.transfer_config import TransferConfig
from core.errors import StyleTransferError
from core.network.architecture import MIN_SIDE
from core.webapp.limits import Limits, set_limits
from core.webapp.server import LOOPBACK, check_address, serve

app = App()

_MAX_MEMORY = options_of(TransferConfig)["max_memory"]


@app.command(context_settings={"help_option_names": ["-h", "--help"]})
def page(
    host: Annotated[
        str,
        typer.Option(metavar="ADDRESS", help="Address to listen on; 0.0.0.0 accepts connections from other machines."),
    ] = LOOPBACK,
    port: Annotated[int, typer.Option(metavar="INT", help="Port to listen on.")] = 8501,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Name under which browsers may request the page, besides IP addresses, localhost and the name of this "
            "machine (repeatable).",
        ),
    ] = None,
    max_image_size: Annotated[
        int,
        typer.Option(
            min=MIN_SIDE,
            metavar="INT",
            help="Limit on the result, as the side of a square with the same number of pixels.",
        ),
    ] = Limits.image_size,
    max_memory: Annotated[str, typer.Option(metavar=_MAX_MEMORY.metavar, help=_MAX_MEMORY.help)] = "0",
) -> None:
    """Serve a web page that runs style transfers; press Ctrl-C to stop it.

    The transfers of all visitors share one queue and run one at a time.
    """
    with report_errors():
        if find_spec("streamlit") is None:
            raise StyleTransferError("the page needs Streamlit, which is not installed: run pip install '.[app]'")
        with_artifacts(TransferConfig())  # raises here rather than in the first transfer
        check_address(host, port)
        set_limits(Limits(max_image_size, _MAX_MEMORY.parse(max_memory)))
        serve(host, port, allowed_host or ())


if __name__ == "__main__":
    app()
