"""`python -m export run` without PyTorch: the same image as with PyTorch."""

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
import pytest

from core.config.transfer_config import TransferConfig
from core.image.embedded_record import read_record
from core.style_transfer import stylize
from support.export_command import run
from support.images import pixels_of
from support.objectives import OPTIONS, exported_objective

Exported = Callable[..., Path]

# Simulates the light installation.
WITHOUT_TORCH = """
import sys

absent = ("torch", "torchvision", "onnx", "spox", "h5py")
sys.modules.update(dict.fromkeys(absent))
import typer
from export.runtime import run

app = typer.Typer()
app.command()(run)
app()
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
    length = ("--image-size", 64, "--iterations", 12)
    ran = run_without_torch(objective, exported("onnx"), *images, *length, "--progress", "json")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert json.loads(ran.stdout.splitlines()[-1])["evaluations"] == 12
    expected = stylize(content_path, style_path, TransferConfig(**OPTIONS, image_size=64, iterations=12, device="cpu"))
    written = json.loads(record.read_text())
    assert written["delivered"]["loss"] == pytest.approx(expected.record["delivered"]["loss"], rel=0.01)
    assert written["backend"]["name"] == "onnxruntime"
    actual, reference = pixels_of(output).astype(float), np.asarray(expected.image, float)
    assert actual.shape == reference.shape
    assert np.abs(actual - reference).mean() < 3


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


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ('style-loss = "wasserstein"', "was exported with style loss gram, and the preset or file sets wasserstein"),
        ("content-detail = 0.0", "was exported with content detail 0.3, and the preset or file sets 0.0"),
    ],
)
def test_run_refuses_other_losses_than_those_of_the_objective(
    tmp_path: Path,
    objective: Path,
    exported: Exported,
    content_path: Path,
    style_path: Path,
    option: str,
    sentence: str,
) -> None:
    file = tmp_path / "options.toml"
    file.write_text(option)
    images = ("--content", content_path, "--style", style_path, "-o", tmp_path / "result.png")
    ran = run_without_torch(objective, exported("onnx"), *images, "--config", file)
    assert ran.returncode == 2
    assert sentence in ran.stderr


def test_run_needs_no_file_of_weights(
    objective: Path, exported: Exported, content_path: Path, style_path: Path, tmp_path: Path
) -> None:
    """The artifacts were exported from a file that is not on the machine where they run."""
    output, artifacts = tmp_path / "result.png", [tmp_path / name for name in ("objective.onnx", "extractor.onnx")]
    for artifact, path in zip((objective, exported("onnx")), artifacts, strict=True):
        model = onnx.load(artifact)
        (entry,) = (entry for entry in model.metadata_props if entry.key == "manifest")
        manifest = json.loads(entry.value)
        manifest["weights"]["source"] = "weights.safetensors"
        entry.value = json.dumps(manifest)
        onnx.save(model, path)
    images = ("--content", content_path, "--style", style_path, "-o", output)
    ran = run("run", *artifacts, *images, "--image-size", 32, "--iterations", 1)
    assert ran.exit_code == 0, ran.output
    assert json.loads(read_record(output) or "")["config"]["weights"] == "weights.safetensors"
