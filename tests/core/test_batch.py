"""The batch command, end to end."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.core_commands import batch, files_in
from support.images import pixels_of


@pytest.mark.usefixtures("tiny_vgg")
def test_batch_writes_every_image_and_a_contact_sheet(content_path: Path, style_path: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no image")
    out, sheet = tmp_path / "out", tmp_path / "sheet.png"
    ran = batch(
        *("-c", content_path, "-c", tmp_path / "bad.png", "-s", style_path, "-o", out, "--contact-sheet", sheet),
        *("--sweep", "seed=1,2", "--image-size", 40, "--iterations", 2),
    )
    assert ran.exit_code == 1
    assert "Error: 2 of 4 images failed: " in ran.stderr
    assert files_in(out) == [f"{content_path.stem}-{style_path.stem}-seed={seed}.png" for seed in (1, 2)]
    assert pixels_of(sheet).shape[1] == 3 * (256 + 12) + 12


@pytest.mark.slow
def test_interrupted_batch_writes_the_image_so_far_and_lists_the_remaining_ones(
    content_path: Path, style_path: Path, tmp_path: Path
) -> None:
    progress = tmp_path / "progress"
    arguments = [
        *("-c", content_path, "-s", style_path, "-o", tmp_path / "out", "--sweep", "seed=1,2"),
        *("--image-size", 40, "--iterations", 4000, "--optimizer", "adam", "--progress", "json"),
    ]
    with progress.open("w") as lines:
        process = subprocess.Popen(
            [sys.executable, "-m", "core.batch", *(str(argument) for argument in arguments)],
            stdout=lines, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        while process.poll() is None and progress.read_text().count("evaluations") < 3:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert process.returncode == 130
    assert errors.startswith("Error: interrupted: 2 of 2 images remain (")
    assert errors.rstrip().endswith("add --resume to continue")
    assert len(errors.splitlines()) == 1
    (name,) = files_in(tmp_path / "out")
    assert f"{name} with the best image so far, " in errors
    assert pixels_of(tmp_path / "out" / name).shape == (27, 40, 3)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("-s STYLE", "no content image is given: add --content"),
        ("-c missing/*.jpg -s STYLE", "--content missing/*.jpg matches no image"),
        ("-c CONTENT -s STYLE --sweep strength=2", "--strength is 2"),
        ("-c CONTENT -s STYLE --sweep color=2", "--sweep is 'color=2'"),
        ("-c CONTENT -s STYLE --contact-sheet sheet.xyz", "sheet.xyz"),
        ("-c CONTENT -s STYLE -o CONTENT", "is a file, not a"),
        (
            "-c CONTENT -s STYLE --config run.toml",
            "has regions or style masks, which a batch does not support",
        ),
        ("-c CONTENT --config named.toml", "a batch takes no style image from --config named.toml: add --style"),
        ("-s STYLE --config named.toml", "a batch takes no content image from --config named.toml: add --content"),
    ],
)
def test_invalid_batch_is_refused_in_one_sentence(
    arguments: str, sentence: str, content_path: Path, style_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("run.toml").write_text('region = "mask.png=1"\n')
    Path("named.toml").write_text('content = "photo.png"\nstyle = "painting.png"\n')
    ran = batch(*arguments.replace("CONTENT", str(content_path)).replace("STYLE", str(style_path)).split())
    assert ran.exit_code == 2, ran.output
    assert sentence in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1
    assert files_in(tmp_path) == ["named.toml", "run.toml"]
