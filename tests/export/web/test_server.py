"""Serving a page."""

import http.client
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from export.web.server import _Handler, make_server
from support.browser import serving
from support.export_command import refused


def test_serve_command_prints_the_address_and_ends_at_an_interrupt(page_folder: Path) -> None:
    command = [sys.executable, "-m", "export", "serve", str(page_folder), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    connection = http.client.HTTPConnection(address.removeprefix("http://").rstrip("/"))
    types = {}
    paths = ("/", "/style.css", "/ui.js", "/worker.js", "/ort/ort.wasm.min.mjs")
    for path in (*paths, "/ort/ort-wasm-simd-threaded.wasm", "/page.json", "/objective.onnx"):
        connection.request("HEAD", path)
        response = connection.getresponse()
        response.read()
        types[path] = response.headers["Content-Type"].partition(";")[0]
        assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert response.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    connection.request("GET", "/ort/")
    assert connection.getresponse().status == 404
    assert types == {
        "/": "text/html",
        "/style.css": "text/css",
        "/ui.js": "text/javascript",
        "/worker.js": "text/javascript",
        "/ort/ort.wasm.min.mjs": "text/javascript",
        "/ort/ort-wasm-simd-threaded.wasm": "application/wasm",
        "/page.json": "application/json",
        "/objective.onnx": "application/octet-stream",
    }
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30) == ("", "")
    assert process.returncode == 0


def test_serve_command_rejects_a_folder_without_a_page(tmp_path: Path) -> None:
    assert refused("serve", tmp_path / "none").startswith(f"there is no folder {tmp_path / 'none'}: write a page")
    assert refused("serve", tmp_path).startswith(f"{tmp_path} is not a page written by python -m export web")


def test_serve_command_rejects_a_port_in_use(page_folder: Path) -> None:
    with make_server(page_folder, 0) as server:
        message = refused("serve", page_folder, "--port", server.server_port)
    assert message.startswith(f"cannot serve at port {server.server_port}: ")
    assert message.endswith("choose another with --port")


def test_serve_command_rejects_an_invalid_port(page_folder: Path) -> None:
    message = refused("serve", page_folder, "--port", 70000)
    assert message == "cannot serve at port 70000: invalid port; choose another with --port"


def status_of(address: str, path: str, headers: Mapping[str, str] = {}) -> int:
    connection = http.client.HTTPConnection(address.removeprefix("http://").rstrip("/"), timeout=60)
    connection.request("GET", path, headers=headers)
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.fixture
def forged_page(page_folder: Path, tmp_path: Path) -> Path:
    """A page with other files, with links, and with a list of files that names a file outside."""
    folder = tmp_path / "page"
    shutil.copytree(page_folder, folder)
    (tmp_path / "secret").write_text("secret")
    (folder / "notes.txt").write_text("secret")
    (folder / "style.css").unlink()
    (folder / "style.css").symlink_to(tmp_path / "secret")
    (folder / "ort").rename(tmp_path / "ort")
    (folder / "ort").symlink_to(tmp_path / "ort")
    settings = json.loads((folder / "page.json").read_text())
    settings["files"] |= {"../secret": "", str(tmp_path / "secret"): ""}
    (folder / "page.json").write_text(json.dumps(settings))
    return folder


def test_only_the_files_of_the_page_are_served(forged_page: Path) -> None:
    with serving(make_server(forged_page, 0)) as address:
        for path in ("/", "/index.html", "/ui.js", "/page.json?x"):
            assert status_of(address, path) == 200
        secret = str(forged_page.with_name("secret"))
        paths = ("/notes.txt", "/style.css", "/ort/ort.wasm.min.mjs", "/../secret", "/%2e%2e/secret", secret)
        for path in (*paths, f"/{secret}"):
            assert status_of(address, path) == 404, path


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost@evil", ""])
def test_requests_under_another_name_are_refused(host: str, page_folder: Path) -> None:
    with serving(make_server(page_folder, 0)) as address:
        assert status_of(address, "/", {"Host": host}) == 403
        assert status_of(address, "/", {"Host": "localhost:1"}) == 200


@pytest.mark.parametrize("timeout", ["timeout", "CONNECTION_TIMEOUT"])
def test_slow_clients_are_disconnected(timeout: str, page_folder: Path, monkeypatch: pytest.MonkeyPatch, capfd) -> None:
    """One that is silent, and one that sends a header without end."""
    if timeout == "timeout":
        monkeypatch.setattr(_Handler, "timeout", 0.2)
    else:
        monkeypatch.setattr("export.web.server.CONNECTION_TIMEOUT", 0.5)
    server = make_server(page_folder, 0)
    with serving(server), socket.create_connection(("127.0.0.1", server.server_port), timeout=30) as client:
        started = time.monotonic()
        client.sendall(b"GET / HTTP/1.0\r\nX: ")
        try:
            while timeout == "CONNECTION_TIMEOUT":
                client.sendall(b"x")
                time.sleep(0.05)
                assert time.monotonic() - started < 30
        except OSError:
            pass
        else:
            assert client.recv(1) == b""
    assert capfd.readouterr() == ("", "")
