"""Painting where PyTorch cannot be imported: the same picture, from the command line."""

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

# As in an environment with NumPy, Pillow, ONNX Runtime and Typer alone.
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


def paint(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_TORCH, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_paints_the_picture_that_pytorch_paints(
    tmp_path: Path, objective: Path, exported: Exported, content_path: Path, style_path: Path
) -> None:
    output, record = tmp_path / "painting.png", tmp_path / "record.json"
    pictures = ("--content", content_path, "--style", style_path, "-o", output, "--record", record)
    length = ("--image-size", 64, "--iterations", 25)
    ran = paint(objective, exported("onnx"), *pictures, *length, "--progress", "json")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert json.loads(ran.stdout.splitlines()[-1])["evaluations"] == 25
    expected = stylize(content_path, style_path, TransferConfig(**OPTIONS, image_size=64, iterations=25, device="cpu"))
    written = json.loads(record.read_text())
    assert written["delivered"]["loss"] == pytest.approx(expected.record["delivered"]["loss"], rel=0.01)
    assert written["engine"]["engine"] == "onnxruntime"
    painted, likewise = pixels_of(output).astype(float), np.asarray(expected.image, float)
    assert painted.shape == likewise.shape
    assert np.abs(painted - likewise).mean() < 3


def test_paints_in_an_environment_that_has_no_torch_at_all(
    tmp_path: Path, objective: Path, exported: Exported, content_path: Path, style_path: Path
) -> None:
    """A virtual environment of its own, with the four packages that a deployed painting needs."""
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    runtime = next(name for name in ("onnxruntime-gpu", "onnxruntime") if is_installed(name))
    needs = [f"{name}=={version(name)}" for name in ("numpy", "pillow", "typer", runtime)]
    installed = subprocess.run([python, "-m", "pip", "install", "-q", *needs], capture_output=True, check=False)
    if installed.returncode:
        pytest.skip("the package index is out of reach")
    assert subprocess.run([python, "-c", "import torch"], capture_output=True, check=False).returncode == 1
    output = tmp_path / "painting.png"
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


def test_a_preset_for_another_network_is_refused(
    tmp_path: Path, objective: Path, exported: Exported, content_path: Path, style_path: Path
) -> None:
    output = tmp_path / "painting.png"
    pictures = ("--content", content_path, "--style", style_path, "-o", output)
    ran = paint(objective, exported("onnx"), *pictures, "--preset", "gatys2015")
    assert ran.returncode == 2
    assert "the objective has the pooling max, and the preset or file asks for average" in ran.stderr
    assert not output.exists()


def test_an_extractor_that_needs_pytorch_is_refused(
    objective: Path, exported: Exported, content_path: Path, style_path: Path
) -> None:
    ran = paint(objective, exported("torchscript"), "--content", content_path, "--style", style_path)
    assert ran.returncode == 2
    assert "needs PyTorch" in ran.stderr


def test_a_missing_artifact_is_told(content_path: Path, style_path: Path) -> None:
    ran = paint("missing.onnx", "missing.onnx", "--content", content_path, "--style", style_path)
    assert ran.returncode == 2
    assert ran.stderr.startswith("Error: there is no artifact 'missing.onnx'")
