"""Address check and settings of Streamlit."""

import socket

import pytest

from core.errors import UsageError
from core.webapp.server import LOOPBACK, check_address, settings


def test_settings_contain_the_given_address() -> None:
    assert settings("0.0.0.0", 1).items() >= {"server.address": "0.0.0.0", "server.port": 1}.items()


def test_streamlit_does_not_collect_garbage_after_every_script() -> None:
    assert settings(LOOPBACK, 8501)["runner.postScriptGC"] is False


def test_settings_are_those_of_streamlit() -> None:
    config = pytest.importorskip("streamlit.config")
    for name, value in settings(LOOPBACK, 8501).items():
        default = config.get_option(name)  # raises if there is no such setting
        assert default is None or type(value) is type(default)


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
