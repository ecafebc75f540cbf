"""Serving a page."""

import http.client
import signal
import subprocess
import sys
from pathlib import Path

from export.web.server import make_server
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
