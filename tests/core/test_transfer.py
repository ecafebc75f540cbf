"""The command line for one image, end to end."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from PIL import Image

from core.cli.config_file import read_options
from support.core_commands import files_in, transfer
from support.images import pixels_of

SMALL = ["--image-size", "48", "--iterations", "4"]


@pytest.mark.usefixtures("tiny_vgg")
def test_transfer_writes_the_output_and_the_record(content_path: Path, style_path: Path, tmp_path: Path) -> None:
    output, record = tmp_path / "new" / "out.png", tmp_path / "out.json"
    ran = transfer("--content", content_path, "--style", style_path, "-o", output, "--record", record, *SMALL)
    assert ran.exit_code == 0, ran.output
    assert "final loss" in ran.stdout
    assert "4/4" in ran.stderr
    assert pixels_of(output).shape == (32, 48, 3)
    written = json.loads(record.read_text())
    assert written["config"]["image_size"] == 48
    assert [step["evaluations"] for step in written["losses"]][-1] == 4


@pytest.mark.usefixtures("tiny_vgg")
def test_transfer_accepts_every_flag_of_firekind(content_path: Path, style_path: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.jpg"
    ran = transfer(
        "--content-image-path", content_path, "--style-image-path", style_path, "--image-size", 32,
        "--image-size-side", "short", "--epochs", 1, "--content-weight", 1, "--style-weight", "1,2,3,4,5",
        "--content-layers", "conv_4_2", "--style-layers", "conv_1_1,conv_2_1,conv_3_1,conv_4_1,conv_5_1",
        "--save-path", output,
    )  # fmt: skip
    assert ran.exit_code == 0, ran.output
    with Image.open(output) as image:
        assert image.format == "JPEG"
        assert image.size == (48, 32)
    assert read_options(output)["iterations"] == 20


@pytest.mark.usefixtures("tiny_vgg")
def test_transfer_repeats_a_run_from_its_output(content_path: Path, style_path: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first.png", tmp_path / "second.png"
    options = ["--init", "noise", "--seed", 7, "--pooling", "average", *SMALL]
    assert transfer("-c", content_path, "-s", style_path, "-o", first, *options).exit_code == 0
    again = transfer("--config", first, "-c", content_path, "-s", style_path, "-o", second)
    assert again.exit_code == 0, again.output
    np.testing.assert_array_equal(pixels_of(first), pixels_of(second))


@pytest.mark.usefixtures("tiny_vgg")
def test_flags_override_the_file_and_the_file_overrides_the_preset(
    content_path: Path, style_path: Path, tmp_path: Path
) -> None:
    config, record = tmp_path / "run.toml", tmp_path / "record.json"
    config.write_text(f'content = "{content_path}"\nstyle = "{style_path}"\niterations = 3\nimage-size = 48\n')
    options = ["--preset", "gatys2015", "--image-size", 40, "--record", record, "-o", tmp_path / "o.png"]
    ran = transfer("--config", config, *options)
    assert ran.exit_code == 0, ran.output
    used = json.loads(record.read_text())["config"]
    assert (used["image_size"], used["iterations"], used["pooling"]) == (40, 3, "average")


@pytest.mark.usefixtures("tiny_vgg")
def test_json_progress_is_the_only_output(content_path: Path, style_path: Path, tmp_path: Path) -> None:
    ran = transfer("-c", content_path, "-s", style_path, "-o", tmp_path / "o.png", "--progress", "json", *SMALL)
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [line["evaluations"] for line in lines][-1] == lines[-1]["total"] == 4
    assert lines[-1]["loss"] == pytest.approx(sum(lines[-1][part] for part in ("content", "style", "tv")), rel=1e-5)
    assert ran.stderr == ""


def test_interrupted_transfer_writes_the_best_image_so_far(
    content_path: Path, style_path: Path, tmp_path: Path
) -> None:
    output, progress = tmp_path / "o.png", tmp_path / "progress"
    command = [sys.executable, "-m", "core.transfer", "-c", content_path, "-s", style_path, "-o", output]
    with progress.open("w") as lines:
        process = subprocess.Popen(
            [*command, "--image-size", "48", "--iterations", "100000", "--optimizer", "adam", "--progress", "json"],
            stdout=lines, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        while process.poll() is None and progress.read_text().count("\n") < 3:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert (process.returncode, errors) == (130, "")
    assert pixels_of(output).shape == (32, 48, 3)
    assert files_in(tmp_path) == ["o.png", "progress"]


@pytest.fixture
def broken(tmp_path: Path, style_path: Path) -> Path:
    """A folder of files that are no valid images or weights."""
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "text.jpg").write_text("no image")
    (folder / "weights.pth").write_text("no weights")
    (folder / "cut.jpg").write_bytes(style_path.read_bytes()[:900])
    Image.new("RGB", (1, 1)).save(folder / "tiny.png")
    return folder


@pytest.mark.parametrize(
    ("arguments", "sentence", "status"),
    [
        ("-s STYLE", "no content image is given: add --content FILE", 2),
        ("-c none.jpg -s STYLE", "none.jpg", 2),
        ("-c BROKEN -s STYLE", "is not a regular file but a folder", 2),
        ("-c BROKEN/text.jpg -s STYLE", "text.jpg", 2),
        ("-c CONTENT -s BROKEN/cut.jpg", "cut.jpg", 2),
        ("-c BROKEN/tiny.png -s STYLE", "1x1", 2),
        ("-c CONTENT -s STYLE --style-layers relu9_1", "relu9_1", 2),
        ("-c CONTENT -s STYLE --style-weight 1,2", "--style-weight has 2 values for 5 layers", 2),
        ("-c CONTENT -s STYLE --content-weight nan", "--content-weight is nan", 2),
        ("-c CONTENT -s STYLE --style-weight=-1", "--style-weight is -1", 2),
        ("-c CONTENT -s STYLE --epochs 1 --iterations 2", "--epochs and --iterations are mutually exclusive", 2),
        ("-c CONTENT -s STYLE --epochs 0", "--epochs is 0", 2),
        ("-c CONTENT -s STYLE --preset picasso", "picasso", 2),
        ("-c CONTENT -s STYLE --effort quick", "unknown effort 'quick': expected one of draft, standard, best", 2),
        ("-c CONTENT -s STYLE --weights none.pth", "none.pth", 2),
        ("-c CONTENT -s STYLE --weights BROKEN/weights.pth --weights-preprocessing caffe", "cannot read", 1),
        ("-c CONTENT -s STYLE --arch vgg16", "the Oxford weights are a vgg19, not a vgg16", 2),
        ("-c CONTENT -s STYLE --init nowhere.png", "nowhere.png", 2),
        ("-c CONTENT -s STYLE -o BROKEN", "has no suffix", 2),
        ("-c CONTENT -s STYLE -o BROKEN/text.jpg/o.png", "text.jpg is a file, not a folder", 2),
        ("-c CONTENT -s STYLE -o CONTENT", "refusing to overwrite", 2),
        ("-c CONTENT -s STYLE -o BROKEN/o.xyz", "o.xyz", 2),
        ("-c CONTENT -s STYLE -o BROKEN/o.jpg --bit-depth 16", "16", 2),
        ("-c CONTENT -s STYLE --record BROKEN", "is a folder", 2),
        ("--config none.toml", "none.toml", 2),
    ],
)
def test_invalid_input_is_refused_in_one_sentence(
    arguments: str, sentence: str, status: int,
    content_path: Path, style_path: Path, broken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    before = files_in(tmp_path)
    for name, path in (("CONTENT", content_path), ("STYLE", style_path), ("BROKEN", broken)):
        arguments = arguments.replace(name, str(path))
    if " -o " not in arguments:
        arguments += " -o o.png"
    length = [] if "--epochs" in arguments else ["--iterations", 1]
    ran = transfer(*arguments.split(), *length)
    assert ran.exit_code == status, ran.output
    assert sentence in ran.stderr
    assert ran.stderr.startswith("Error: ")
    assert len(ran.stderr.strip().splitlines()) == 1
    assert ran.stdout == ""
    assert files_in(tmp_path) == before


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_missing_cuda_device_is_reported(content_path: Path, style_path: Path, tmp_path: Path) -> None:
    ran = transfer("-c", content_path, "-s", style_path, "-o", tmp_path / "o.png", "--cuda")
    assert ran.exit_code == 1
    assert "finds no cuda device on this machine" in ran.stderr
    assert files_in(tmp_path) == []


def test_failed_download_of_weights_is_reported(
    content_path: Path, style_path: Path, tmp_path: Path, monkeypatch
) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr("torch.hub.load_state_dict_from_url", unreachable)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", unreachable)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    ran = transfer("-c", content_path, "-s", style_path, "-o", tmp_path / "o.png", "--weights", "torchvision")
    assert ran.exit_code == 1
    assert "no route to host" in ran.stderr
    assert "use --weights oxford" in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1


@pytest.mark.usefixtures("tiny_vgg")
def test_failed_write_keeps_the_existing_output(
    content_path: Path, style_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "o.png"
    output.write_bytes(b"precious")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    ran = transfer("-c", content_path, "-s", style_path, "-o", output, *SMALL)
    assert ran.exit_code == 1
    assert "No space left on device" in ran.stderr
    assert output.read_bytes() == b"precious"
    assert files_in(tmp_path) == ["o.png"]


SHALLOW = ["--content-layers", "relu3_1", "--style-layers", "relu1_1,relu2_1", *SMALL]


@pytest.mark.slow
@pytest.mark.parametrize("format", ["onnx", "torchscript", "pt2"])
def test_exported_extractor_gives_the_same_result(
    format: str, exported: Callable[..., Path], content_path: Path, style_path: Path, tmp_path: Path
) -> None:
    images = ["-c", content_path, "-s", style_path]
    eager, deployed = tmp_path / "eager.json", tmp_path / "deployed.json"
    assert transfer(*images, "-o", tmp_path / "a.png", "--record", eager, *SHALLOW).exit_code == 0
    artifact = ["--extractor", exported(format)]
    ran = transfer(*images, "-o", tmp_path / "b.png", "--record", deployed, *SHALLOW, *artifact)
    assert ran.exit_code == 0, ran.output
    records = [json.loads(path.read_text()) for path in (eager, deployed)]
    assert records[0]["delivered"] == pytest.approx(records[1]["delivered"], rel=1e-3)
    assert records[1]["backend"]["extractor_runs_on"]
    assert transfer("--config", deployed, "-o", tmp_path / "again.png").exit_code == 0
    np.testing.assert_array_equal(pixels_of(tmp_path / "b.png"), pixels_of(tmp_path / "again.png"))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--pooling", "average"], "was exported with --pooling max and this run uses average"),
        (["--style-layers", "relu4_1"], "computes relu1_1, relu2_1, relu3_1 and not relu4_1"),
        (["--objective", "missing.onnx"], "there is no artifact 'missing.onnx'"),
    ],
)
def test_artifact_of_another_network_is_refused(
    options: list[str], sentence: str, exported: Callable[..., Path],
    content_path: Path, style_path: Path, tmp_path: Path,
) -> None:  # fmt: skip
    images = ["-c", content_path, "-s", style_path, "-o", tmp_path / "o.png"]
    ran = transfer(*images, *SHALLOW, "--extractor", exported("onnx"), *options)
    assert ran.exit_code == 2
    assert sentence in ran.stderr
    assert files_in(tmp_path) == []
