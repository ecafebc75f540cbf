"""Address check and Streamlit arguments."""

import re
import socket

import pytest

from core.errors import UsageError
from core.webapp.server import LOOPBACK, check_address, streamlit_arguments


def test_streamlit_arguments_contain_the_given_address() -> None:
    assert {"--server.address=127.0.0.1", "--server.port=1"} <= {*streamlit_arguments(LOOPBACK, 1)}
    assert "--server.address=0.0.0.0" in streamlit_arguments("0.0.0.0", 1)


def test_streamlit_arguments_are_settings_of_streamlit() -> None:
    config = pytest.importorskip("streamlit.config")
    command, script, *settings = streamlit_arguments(LOOPBACK, 8501)
    assert command == "run"
    assert script.endswith("main.py")
    for setting in settings:
        found = re.fullmatch(r"--([\w.]+)=(\S+)", setting)
        assert found
        config.get_option(found[1])  # raises if there is no such setting


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_check_address_rejects_invalid_ports(port: int) -> None:
    with pytest.raises(UsageError, match=rf"^--port is {port}: expected a whole number from 1 to 65535$"):
        check_address(LOOPBACK, port)


def test_check_address_rejects_a_port_in_use() -> None:
    with socket.socket() as other:
        other.bind((LOOPBACK, 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(UsageError, match=rf"^cannot listen on {LOOPBACK}:{port}: "):
            check_address(LOOPBACK, port)
    check_address(LOOPBACK, port)


def test_check_address_rejects_an_invalid_host_name() -> None:
    with pytest.raises(UsageError, match=r"^cannot listen on a\.\.b:8501: .*; choose another --host or --port$"):
        check_address("a..b", 8501)
