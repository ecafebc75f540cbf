"""The whole command line, as a user runs it, on small real runs."""

import json
import re
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
from typer.testing import CliRunner, Result

from core.cli.config_file import read_options
from core.transfer import app
from support.images import pixels_of

SMALL = ["--image-size", "48", "--iterations", "4"]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def test_paint_and_record(content_path: Path, style_path: Path, tmp_path: Path) -> None:
    output, record = tmp_path / "new" / "out.png", tmp_path / "out.json"
    ran = run("--content", content_path, "--style", style_path, "-o", output, "--record", record, *SMALL)
    assert ran.exit_code == 0, ran.output
    assert "delivered loss" in ran.stdout
    assert "4/4" in ran.stderr
    assert pixels_of(output).shape == (32, 48, 3)
    written = json.loads(record.read_text())
    assert written["config"]["image_size"] == 48
    assert [step["evaluations"] for step in written["losses"]][-1] == 4


def test_every_flag_of_the_seed(content_path: Path, style_path: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.jpg"
    ran = run(
        "--content-image-path", content_path, "--style-image-path", style_path, "--image-size", 32,
        "--image-size-side", "short", "--epochs", 1, "--content-weight", 1, "--style-weight", "1,2,3,4,5",
        "--content-layers", "conv_4_2", "--style-layers", "conv_1_1,conv_2_1,conv_3_1,conv_4_1,conv_5_1",
        "--save-path", output,
    )  # fmt: skip
    assert ran.exit_code == 0, ran.output
    with Image.open(output) as painting:
        assert painting.format == "JPEG"
        assert painting.size == (48, 32)
    assert read_options(output)["iterations"] == 20


def test_a_painting_can_be_painted_again_from_its_own_record(
    content_path: Path, style_path: Path, tmp_path: Path
) -> None:
    first, second = tmp_path / "first.png", tmp_path / "second.png"
    options = ["--init", "noise", "--seed", 7, "--pooling", "average", *SMALL]
    assert run("-c", content_path, "-s", style_path, "-o", first, *options).exit_code == 0
    assert run("--config", first, "-o", second).exit_code == 0
    np.testing.assert_array_equal(pixels_of(first), pixels_of(second))


def test_flags_win_over_the_file_and_the_file_over_the_preset(
    content_path: Path, style_path: Path, tmp_path: Path
) -> None:
    config, record = tmp_path / "run.toml", tmp_path / "record.json"
    config.write_text(f'content = "{content_path}"\nstyle = "{style_path}"\niterations = 3\nimage-size = 48\n')
    options = ["--preset", "gatys2015", "--image-size", 40, "--record", record, "-o", tmp_path / "o.png"]
    ran = run("--config", config, *options)
    assert ran.exit_code == 0, ran.output
    used = json.loads(record.read_text())["config"]
    assert (used["image_size"], used["iterations"], used["pooling"]) == (40, 3, "average")


def test_progress_for_programs(content_path: Path, style_path: Path, tmp_path: Path) -> None:
    ran = run("-c", content_path, "-s", style_path, "-o", tmp_path / "o.png", "--progress", "json", *SMALL)
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [line["evaluations"] for line in lines][-1] == lines[-1]["total"] == 4
    assert lines[-1]["loss"] == pytest.approx(lines[-1]["content"] + lines[-1]["style"], rel=1e-5)
    assert ran.stderr == ""


def test_quiet(content_path: Path, style_path: Path, tmp_path: Path) -> None:
    ran = run("-c", content_path, "-s", style_path, "-o", tmp_path / "o.png", "-q", *SMALL)
    assert (ran.exit_code, ran.output) == (0, "")


def test_pictures_on_the_way(content_path: Path, style_path: Path, tmp_path: Path) -> None:
    ran = run("-c", content_path, "-s", style_path, "-o", tmp_path / "o.png", "--save-every", 2, *SMALL)
    assert ran.exit_code == 0
    assert files_in(tmp_path) == ["o-0002.png", "o-0004.png", "o.png"]


def test_a_dry_run_writes_nothing(content_path: Path, style_path: Path, tmp_path: Path) -> None:
    ran = run("-c", content_path, "-s", style_path, "-o", tmp_path / "deep" / "o.png", "--scales", 2, "--dry-run")
    assert ran.exit_code == 0, ran.output
    assert "96 × 64" in ran.stdout
    assert "48 × 32" in ran.stdout
    assert "GiB" in ran.stdout
    assert "whole" in ran.stdout
    assert files_in(tmp_path) == []


def test_a_dry_run_at_256_megapixels(style_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    huge, usual = tmp_path / "huge.png", Image.MAX_IMAGE_PIXELS
    Image.new("L", (16384, 16384)).save(huge)
    options = ("--image-size", 16384, "--max-memory", "64GB", "--device", "cpu", "--precision", "fp32", "--dry-run")
    ran = run("-c", huge, "-s", style_path, *options)
    assert ran.exit_code == 0, ran.output
    assert re.search(r"│ 16384 × 16384 .*│ about 5\d\.\d GiB +│ \d+ × \d+ tiles of .*, history 1 ", ran.stdout)
    assert "this would fail" not in ran.stdout
    assert usual == Image.MAX_IMAGE_PIXELS


def test_a_dry_run_tells_what_tiles_cost(content_path: Path, style_path: Path, tmp_path: Path) -> None:
    """Two tiles of 48 x 64 that read the whole picture each, with room to keep what they compute: twice the work."""
    options = ("--scales", 1, "--tile-size", 64, "--max-memory", "8GB", "--device", "cpu", "--dry-run")
    ran = run("-c", content_path, "-s", style_path, "-o", tmp_path / "o.png", *options)
    assert ran.exit_code == 0, ran.output
    assert "2 × 1 tiles of 48 × 64, 2 times the work" in " ".join(ran.stdout.replace("│", " ").split())


def test_an_interrupt_delivers_the_best_picture_so_far(content_path: Path, style_path: Path, tmp_path: Path) -> None:
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
    """A folder of files that are not what their names say."""
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "text.jpg").write_text("no picture")
    (folder / "weights.pth").write_text("no weights")
    (folder / "cut.jpg").write_bytes(style_path.read_bytes()[:900])
    Image.new("RGB", (1, 1)).save(folder / "tiny.png")
    return folder


@pytest.mark.parametrize(
    ("arguments", "sentence", "status"),
    [
        ("-s STYLE", "no content picture was named: add --content FILE", 2),
        ("-c none.jpg -s STYLE", "none.jpg", 2),
        ("-c BROKEN -s STYLE", "is a folder", 2),
        ("-c BROKEN/text.jpg -s STYLE", "text.jpg", 2),
        ("-c CONTENT -s BROKEN/cut.jpg", "cut.jpg", 2),
        ("-c BROKEN/tiny.png -s STYLE", "1x1", 2),
        ("-c CONTENT -s STYLE --style-layers relu9_1", "relu9_1", 2),
        ("-c CONTENT -s STYLE --style-weight 1,2", "--style-weight has 2 values for 5 layers", 2),
        ("-c CONTENT -s STYLE --content-weight nan", "--content-weight is nan", 2),
        ("-c CONTENT -s STYLE --style-weight=-1", "--style-weight is -1", 2),
        ("-c CONTENT -s STYLE --epochs 1 --iterations 2", "--epochs and --iterations", 2),
        ("-c CONTENT -s STYLE --epochs 0", "--epochs is 0", 2),
        ("-c CONTENT -s STYLE --preset picasso", "picasso", 2),
        ("-c CONTENT -s STYLE --weights none.pth", "none.pth", 2),
        ("-c CONTENT -s STYLE --weights BROKEN/weights.pth --weights-preprocessing caffe", "cannot be read", 1),
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
def test_bad_input_is_one_sentence_and_writes_nothing(
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
    ran = run(*arguments.split(), *length)
    assert ran.exit_code == status, ran.output
    assert sentence in ran.stderr
    assert ran.stderr.startswith("Error: ")
    assert len(ran.stderr.strip().splitlines()) == 1
    assert ran.stdout == ""
    assert files_in(tmp_path) == before


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_cuda_where_there_is_none(content_path: Path, style_path: Path, tmp_path: Path) -> None:
    ran = run("-c", content_path, "-s", style_path, "-o", tmp_path / "o.png", "--cuda")
    assert ran.exit_code == 1
    assert "finds no cuda device on this machine" in ran.stderr
    assert files_in(tmp_path) == []


def test_weights_out_of_reach(content_path: Path, style_path: Path, tmp_path: Path, monkeypatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr("torch.hub.load_state_dict_from_url", unreachable)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", unreachable)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    ran = run("-c", content_path, "-s", style_path, "-o", tmp_path / "o.png", "--weights", "torchvision")
    assert ran.exit_code == 1
    assert "no route to host" in ran.stderr
    assert "use --weights oxford" in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1


def test_a_failure_leaves_the_existing_file_as_it_was(
    content_path: Path, style_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "o.png"
    output.write_bytes(b"precious")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    ran = run("-c", content_path, "-s", style_path, "-o", output, *SMALL)
    assert ran.exit_code == 1
    assert "No space left on device" in ran.stderr
    assert output.read_bytes() == b"precious"
    assert files_in(tmp_path) == ["o.png"]


SHALLOW = ["--content-layers", "relu3_1", "--style-layers", "relu1_1,relu2_1", *SMALL]


@pytest.mark.parametrize("format", ["onnx", "torchscript", "pt2"])
def test_an_exported_extractor_paints_the_same(
    format: str, exported: Callable[..., Path], content_path: Path, style_path: Path, tmp_path: Path
) -> None:
    pictures = ["-c", content_path, "-s", style_path]
    eager, deployed = tmp_path / "eager.json", tmp_path / "deployed.json"
    assert run(*pictures, "-o", tmp_path / "a.png", "--record", eager, *SHALLOW).exit_code == 0
    artifact = ["--extractor", exported(format)]
    ran = run(*pictures, "-o", tmp_path / "b.png", "--record", deployed, *SHALLOW, *artifact)
    assert ran.exit_code == 0, ran.output
    records = [json.loads(path.read_text()) for path in (eager, deployed)]
    assert records[0]["delivered"] == pytest.approx(records[1]["delivered"], rel=1e-3)
    assert records[1]["engine"]["extractor_runs_on"]
    assert run("--config", tmp_path / "b.png", "-o", tmp_path / "again.png").exit_code == 0
    np.testing.assert_array_equal(pixels_of(tmp_path / "b.png"), pixels_of(tmp_path / "again.png"))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--pooling", "average"], "was exported with --pooling max and this run asks for average"),
        (["--style-layers", "relu4_1"], "holds relu1_1, relu2_1, relu3_1 and not relu4_1"),
        (["--objective", "missing.onnx"], "there is no artifact 'missing.onnx'"),
    ],
)
def test_an_artifact_that_does_not_fit_is_refused(
    options: list[str], sentence: str, exported: Callable[..., Path],
    content_path: Path, style_path: Path, tmp_path: Path,
) -> None:  # fmt: skip
    pictures = ["-c", content_path, "-s", style_path, "-o", tmp_path / "o.png"]
    ran = run(*pictures, *SHALLOW, "--extractor", exported("onnx"), *options)
    assert ran.exit_code == 2
    assert sentence in ran.stderr
    assert files_in(tmp_path) == []
