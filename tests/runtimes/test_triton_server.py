"""The Triton server accepts the configurations of a model repository, and loads its models."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

from core.webapp.server import LOOPBACK
from support.export_command import run
from support.servers import free_port, is_ready

pytestmark = [pytest.mark.runtimes, pytest.mark.slow]

PACKAGE = "nvidia-pytriton==0.7.0"
"""It contains the server, and of its backends only that for Python."""

BACKEND = Path(__file__).parent / "hosts" / "triton_backend.py"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked package: its dependencies are not needed."""
    folder = tmp_path_factory.mktemp("triton")
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "-d", folder, PACKAGE]
    ran = subprocess.run(pip, capture_output=True, text=True, check=False)
    if ran.returncode:
        pytest.skip(f"{PACKAGE} cannot be downloaded: {ran.stderr.strip().splitlines()[-1]}")
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


@contextmanager
def serving(package: Path, repository: Path, folder: Path) -> Iterator[str]:
    """Run the server, with ONNX Runtime for Python in place of Triton's own backend; all models are loaded."""
    triton = package / "pytriton" / "tritonserver"
    backends, port = folder / "backends", free_port()
    shutil.copytree(triton / "backends", backends)
    version = ".".join(map(str, sys.version_info[:2]))
    stub = Path(
        shutil.copy(triton / "python_backend_stubs" / version / "triton_python_backend_stub", backends / "python")
    )
    server = triton / "bin" / "tritonserver"
    for program in (stub, server):
        program.chmod(0o755)
    (backends / "onnxruntime").mkdir()
    shutil.copy(BACKEND, backends / "onnxruntime" / "model.py")
    libraries = [str(package / "nvidia_pytriton.libs"), sysconfig.get_config_var("LIBDIR")]
    environment = os.environ | {
        "LD_LIBRARY_PATH": os.pathsep.join(libraries),
        "PACKAGES": sysconfig.get_path("purelib"),
    }
    options = ["--http-port", str(port), "--http-address", LOOPBACK, "--allow-grpc=false", "--allow-metrics=false"]
    command = [server, "--model-repository", repository, "--backend-directory", backends, *options]
    address = f"http://{LOOPBACK}:{port}/v2"
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        while not is_ready(f"{address}/health/ready"):
            assert process.poll() is None, (folder / "log").read_text()
            time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait()


def test_the_server_loads_every_model(package: Path, exported_file: Callable[..., Path], tmp_path: Path) -> None:
    kinds, repository = ("extractor", "objective", "painter"), tmp_path / "models"
    written = run("triton", *(exported_file(kind, "onnx") for kind in kinds), "-o", repository)
    assert written.exit_code == 0, written.output
    with serving(package, repository, tmp_path) as address:
        assert all(is_ready(f"{address}/models/{kind}/ready") for kind in kinds)
        with urlopen(f"{address}/models/painter") as answer:
            painter = json.load(answer)
    found = {tensor["name"]: (tensor["datatype"], tensor["shape"]) for tensor in painter["outputs"]}
    assert found["image"] == ("FP32", [1, 3, -1, -1])
    assert found["status"] == ("INT64", [1])
