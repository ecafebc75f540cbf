"""The command line that serves the page."""

import socket
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from core.app import app
from core.webapp.limits import Limits, page_limits
from core.webapp.server import LOOPBACK


def test_help_imports_neither_streamlit_nor_torch() -> None:
    program = (
        "import runpy, sys; sys.argv = ['core.app', '--help']\n"
        "try: runpy.run_module('core.app', run_name='__main__')\n"
        "except SystemExit: print({'streamlit', 'torch'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "--port" in ran.stdout
    assert ran.stdout.splitlines()[-1] == "set()"


def test_app_is_callable_as_an_entry_point() -> None:
    program = "import sys; from core.app import app; sys.argv = ['style-transfer-page', '-h']; app()"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "Usage: style-transfer-page" in ran.stdout


def test_serve_reports_an_address_in_use_in_one_line() -> None:
    with socket.socket() as other:
        other.bind((LOOPBACK, 0))
        other.listen()
        port = other.getsockname()[1]
        ran = CliRunner().invoke(app, ["--port", str(port)])
    assert ran.exit_code == 2
    assert ran.stderr.startswith(f"Error: cannot listen on {LOOPBACK}:{port}: ")
    assert len(ran.stderr.splitlines()) == 1


def test_serve_reports_missing_streamlit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.app.find_spec", lambda name: None)
    ran = CliRunner().invoke(app, [])
    assert ran.exit_code == 1
    assert ran.stderr == "Error: the page needs Streamlit, which is not installed: run pip install '.[app]'\n"


def test_serve_rejects_an_invalid_memory_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.app.check_address", lambda *_: None)
    monkeypatch.setattr("core.app.serve", lambda *_: pytest.fail("the page was served"))
    ran = CliRunner().invoke(app, ["--max-memory", "lots"])
    assert ran.exit_code == 2
    assert ran.stderr == "Error: --max-memory is lots: expected a size such as 6GB or 500MB, or 0\n"


def test_limits_and_names_reach_the_page(monkeypatch: pytest.MonkeyPatch, restored_limits: None) -> None:
    served = []
    monkeypatch.setattr("core.app.check_address", lambda *_: None)
    monkeypatch.setattr("core.app.serve", lambda *arguments: served.append(arguments))
    options = ["--allowed-host", "a.example", "--allowed-host", "b.example", "--max-image-size", "512"]
    ran = CliRunner().invoke(app, [*options, "--max-memory", "2GB"])
    assert ran.exit_code == 0, ran.output
    assert served == [(LOOPBACK, 8501, ["a.example", "b.example"])]
    assert page_limits() == Limits(512, 2 * 10**9)
