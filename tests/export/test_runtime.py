"""`python -m export run` without PyTorch: the same image as with PyTorch."""

import json
import os
import subprocess
import sys
import venv
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pytest

from core.config.transfer_config import TransferConfig
from core.style_transfer import stylize
from support.images import pixels_of
from support.objectives import OPTIONS, exported_objective

Exported = Callable[..., Path]

# Simulates an environment with NumPy, Pillow, ONNX Runtime, Typer and msgspec only.
WITHOUT_TORCH = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torchvision", "onnx", "onnxscript", "tifffile", "safetensors", "h5py"):
            raise ModuleNotFoundError(f"No module named {name!r}")

sys.meta_path.insert(0, Missing())
import typer
from export.runtime import run

app = typer.Typer()
app.command()(run)
try:
    app()
finally:
    assert "torch" not in sys.modules
"""


@pytest.fixture(scope="module")
def objective(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported_objective(tmp_path_factory)


def run_without_torch(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_TORCH, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_run_gives_the_image_of_pytorch(
    tmp_path: Path, objective: Path, exported: Exported, content_path: Path, style_path: Path
) -> None:
    output, record = tmp_path / "result.png", tmp_path / "record.json"
    images = ("--content", content_path, "--style", style_path, "-o", output, "--record", record)
    length = ("--image-size", 64, "--iterations", 25)
    ran = run_without_torch(objective, exported("onnx"), *images, *length, "--progress", "json")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert json.loads(ran.stdout.splitlines()[-1])["evaluations"] == 25
    expected = stylize(content_path, style_path, TransferConfig(**OPTIONS, image_size=64, iterations=25, device="cpu"))
    written = json.loads(record.read_text())
    assert written["delivered"]["loss"] == pytest.approx(expected.record["delivered"]["loss"], rel=0.01)
    assert written["backend"]["name"] == "onnxruntime"
    actual, reference = pixels_of(output).astype(float), np.asarray(expected.image, float)
    assert actual.shape == reference.shape
    assert np.abs(actual - reference).mean() < 3


@pytest.mark.slow
def test_run_works_in_an_environment_without_torch(
    tmp_path: Path, objective: Path, exported: Exported, content_path: Path, style_path: Path
) -> None:
    """A virtual environment with the four packages that a deployment needs."""
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    runtime = next(name for name in ("onnxruntime-gpu", "onnxruntime") if is_installed(name))
    needs = [f"{name}=={version(name)}" for name in ("numpy", "pillow", "typer", "msgspec", runtime)]
    installed = subprocess.run([python, "-m", "pip", "install", "-q", *needs], capture_output=True, check=False)
    if installed.returncode:
        pytest.skip("the package index is out of reach")
    assert subprocess.run([python, "-c", "import torch"], capture_output=True, check=False).returncode == 1
    output = tmp_path / "result.png"
    command = [python, "-m", "export", "run", objective, exported("onnx"), "--content", content_path]
    command += ["--style", style_path, "-o", output, "--image-size", "48", "--iterations", "3"]
    packages = str(Path(__file__).parents[2] / "packages")
    ran = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": packages}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert "3 evaluations" in ran.stdout
    assert pixels_of(output).shape == (32, 48, 3)


def is_installed(name: str) -> bool:
    try:
        return bool(version(name))
    except PackageNotFoundError:
        return False


def test_run_with_openvino_needs_no_torch(
    tmp_path: Path, objective: Path, exported: Exported, content_path: Path, style_path: Path
) -> None:
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    output, record = tmp_path / "result.png", tmp_path / "record.json"
    images = ("--content", content_path, "--style", style_path, "-o", output, "--record", record)
    ran = run_without_torch(
        objective, exported("onnx"), *images, "--image-size", 48, "--iterations", 3, "--runtime", "openvino"
    )
    assert ran.returncode == 0, ran.stderr
    assert pixels_of(output).shape == (32, 48, 3)
    backend = json.loads(record.read_text())["backend"]
    assert (backend["name"], backend["openvino"]) == ("openvino", version("openvino"))


def test_run_refuses_a_preset_for_another_network(
    tmp_path: Path, objective: Path, exported: Exported, content_path: Path, style_path: Path
) -> None:
    output = tmp_path / "result.png"
    images = ("--content", content_path, "--style", style_path, "-o", output)
    ran = run_without_torch(objective, exported("onnx"), *images, "--preset", "gatys2015")
    assert ran.returncode == 2
    assert "the objective was exported with pooling max, and the preset or file sets average" in ran.stderr
    assert not output.exists()


def test_run_refuses_an_extractor_that_needs_pytorch(
    objective: Path, exported: Exported, content_path: Path, style_path: Path
) -> None:
    ran = run_without_torch(objective, exported("torchscript"), "--content", content_path, "--style", style_path)
    assert ran.returncode == 2
    assert "needs PyTorch" in ran.stderr


def test_run_refuses_a_missing_artifact(content_path: Path, style_path: Path) -> None:
    ran = run_without_torch("missing.onnx", "missing.onnx", "--content", content_path, "--style", style_path)
    assert ran.returncode == 2
    assert ran.stderr.startswith("Error: there is no artifact 'missing.onnx'")


def test_run_refuses_a_style_loss_that_cannot_be_exported(
    tmp_path: Path, objective: Path, exported: Exported, content_path: Path, style_path: Path
) -> None:
    file = tmp_path / "options.toml"
    file.write_text('style-loss = "wasserstein"')
    images = ("--content", content_path, "--style", style_path, "-o", tmp_path / "result.png")
    ran = run_without_torch(objective, exported("onnx"), *images, "--config", file)
    assert ran.returncode == 2
    assert "sets style loss wasserstein, which no exported objective computes" in ran.stderr
