"""`core.transfer` and `core.batch` where PyTorch is not installed, simulated in this process."""

from pathlib import Path

import pytest

from core.cli.config_file import resolve_config
from core.config.transfer_config import TransferConfig
from core.image.reading import read_image
from core.style_transfer import stylize
from support.core_commands import batch, files_in, transfer
from support.images import pixels_of
from support.objectives import OPTIONS

SMALL = ("--image-size", 48, "--iterations", 2)


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        ("--style-loss wasserstein", 2, "was exported with --style-loss gram, but this run uses wasserstein"),
        ("--region CONTENT=1", 2, "objective.onnx supports styles for the whole image only"),
        ("--device cuda", 1, "ONNX Runtime finds no cuda device on this machine"),
        ("--precision bf16", 2, "--precision is bf16, but artifacts compute in fp32"),
        ("--tile-size 64", 2, "an exported objective computes the whole image at once"),
        ("--max-memory 6GB", 2, "an exported objective computes the whole image at once"),
        ("--extractor FOLDER/extractor.pt", 1, "extractor.pt needs PyTorch, which is not installed"),
    ],
)
def test_options_that_need_torch_say_so(
    arguments: str,
    status: int,
    sentence: str,
    light_folder: Path,
    content_path: Path,
    style_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, path in (("CONTENT", content_path), ("STYLE", style_path), ("FOLDER", light_folder)):
        arguments = arguments.replace(name, str(path))
    ran = transfer("-c", content_path, "-s", style_path, "-o", "o.png", *SMALL, *arguments.split())
    assert (ran.exit_code, ran.stdout) == (status, ""), ran.output
    assert ran.stderr.startswith("Error: ")
    assert ran.stderr.count("\n") == 1
    assert sentence in ran.stderr
    assert "pip install '.[full]'" in ran.stderr
    assert files_in(tmp_path) == []


@pytest.mark.usefixtures("without_torch")
def test_several_processes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("WORLD_SIZE", 2), ("RANK", 0), ("LOCAL_RANK", 0), ("LOCAL_WORLD_SIZE", 2)):
        monkeypatch.setenv(name, str(value))
    ran = transfer("-c", "c.png", "-s", "s.png")
    assert ran.exit_code == 1
    assert ran.stderr.startswith("Error: a run with several processes needs PyTorch, which is not installed: run pip")


@pytest.mark.usefixtures("without_torch")
def test_missing_artifacts_are_reported(
    content_path: Path, style_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STYLE_TRANSFER_ARTIFACTS", str(tmp_path / "none"))
    for command in (transfer, batch):
        ran = command("-c", content_path, "-s", style_path, "-o", tmp_path / "o")
        assert (ran.exit_code, ran.stdout) == (1, "")
        assert ran.stderr.startswith("Error: PyTorch is not installed, and the folder ")
        assert ran.stderr.count("\n") == 1
    assert files_in(tmp_path) == []


def test_given_options_override_those_of_the_artifacts(light_folder: Path) -> None:
    config, _ = resolve_config({"content_layers": "relu4_2", "extractor": "e.onnx"})
    assert (config.content_layers, config.style_layers) == (("relu4_2",), OPTIONS["style_layers"])
    assert (config.objective, config.extractor) == (str(light_folder / "objective.onnx"), "e.onnx")


@pytest.mark.usefixtures("light_folder")
def test_dry_run_prints_the_plan(content_path: Path, style_path: Path, tmp_path: Path) -> None:
    ran = transfer("-c", content_path, "-s", style_path, "-o", tmp_path / "o.png", *SMALL, "--dry-run")
    assert ran.exit_code == 0, ran.output
    assert "vgg19 (oxford), lbfgs, initial image: matched, device: auto" in ran.stdout
    assert files_in(tmp_path) == []


@pytest.mark.usefixtures("light_folder")
def test_a_batch_with_a_sweep_is_rendered(content_path: Path, style_path: Path, tmp_path: Path) -> None:
    ran = batch(
        "-c", content_path, "-s", style_path, "-o", tmp_path, *SMALL, "--sweep", "preserve-color=none,luminance"
    )
    assert ran.exit_code == 0, ran.output
    images = [pixels_of(path) for path in sorted(tmp_path.iterdir())]
    assert [image.shape for image in images] == [(32, 48, 3)] * 2


@pytest.mark.usefixtures("light_folder")
def test_python_renders_with_the_artifacts_of_the_folder(content_path: Path, style_path: Path) -> None:
    config = TransferConfig(**OPTIONS, image_size=48, iterations=4, init="content", tv_weight=0)
    result = stylize(content_path, style_path, config)
    assert result.record["backend"]["name"] == "onnxruntime"
    assert result.losses[-1]["loss"] < result.losses[0]["loss"]
    assert result.image.size == (48, 32) != read_image(content_path).size
