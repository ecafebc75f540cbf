"""The command for many paintings, as a user runs it, on small real runs."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

import core.backends.torch_backend
from core import TransferConfig
from core import stylize
from core.batch import app
from core.image.embedded_record import read_record
from support.images import pixels_of

SMALL = ("--image-size", "40", "--iterations", "3", "--device", "cpu")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@pytest.fixture
def pictures(content_path: Path, style_path: Path, tmp_path: Path) -> tuple[object, ...]:
    """The options that name two photographs and two styles, and the folder "out"."""
    for kind in ("photos", "styles"):
        (tmp_path / kind).mkdir()
    shutil.copy(content_path, tmp_path / "photos" / "cup.png")
    shutil.copy(style_path, tmp_path / "styles" / "night.jpg")
    for source, target in ((content_path, "photos/flipped.png"), (style_path, "styles/flipped.png")):
        with Image.open(source) as picture:
            picture.transpose(Image.Transpose.FLIP_TOP_BOTTOM).save(tmp_path / target)
    return "-c", tmp_path / "photos" / "*.png", "-s", tmp_path / "styles", "-o", tmp_path / "out", *SMALL


def test_it_paints_what_the_single_command_paints_and_loads_the_network_once(
    pictures: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = []
    load = core.backends.torch_backend.load_weights
    monkeypatch.setattr(core.backends.torch_backend, "load_weights", lambda *a, **k: loaded.append(a) or load(*a, **k))
    ran = run(*pictures, "--sweep", "style-weight=0.02,0.5")
    assert ran.exit_code == 0, ran.output
    assert len(loaded) == 1
    assert len(names_in(tmp_path / "out")) == 2 * 2 * 2
    config = TransferConfig(image_size=40, iterations=3, device="cpu", style_weight=0.5)
    alone = stylize(tmp_path / "photos" / "cup.png", tmp_path / "styles" / "night.jpg", config)
    painted = tmp_path / "out" / "cup-night-style-weight=0.5.png"
    np.testing.assert_array_equal(pixels_of(painted), np.asarray(alone.image))
    record = json.loads(read_record(painted) or "")
    assert record["config"] == json.loads(json.dumps(config.to_dict()))
    assert record["engine"] == json.loads(json.dumps(alone.record["engine"]))
    assert "8 of 8" in ran.stderr


def test_what_is_painted_just_so_is_not_painted_again(pictures: tuple, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(*pictures).exit_code == 0
    names = names_in(out)
    assert len(names) == 4
    before = {name: (out / name).stat().st_mtime_ns for name in names}
    (out / names[0]).unlink()
    (out / names[1]).write_bytes((out / names[1]).read_bytes()[:-40])
    ran = run(*pictures, "--resume", "--progress", "json")
    assert ran.exit_code == 0, ran.output
    told = [json.loads(line) for line in ran.stdout.splitlines() if "status" in line]
    assert {Path(line["output"]).name: line["status"] for line in told} == dict(
        zip(names, ["painting", "painting", "is there", "is there"], strict=True)
    )
    assert [line["painting"] for line in told] == [1, 2, 3, 4] == [*range(1, told[0]["paintings"] + 1)]
    assert [name for name in names if (out / name).stat().st_mtime_ns == before[name]] == names[2:]


@pytest.mark.parametrize(
    ("change", "again"), [(("--seed", 5), 1), (("--max-memory", "30GB"), 0), ("picture", 1), ("moved", 0)]
)
def test_other_options_and_other_pictures_are_painted_again(
    change: object, again: int, content_path: Path, style_path: Path, tmp_path: Path
) -> None:
    content = tmp_path / "cup.png"
    shutil.copy(content_path, content)
    common = ["-s", style_path, "-o", tmp_path / "out", *SMALL]
    assert run("-c", content, *common).exit_code == 0
    if change == "picture":
        shutil.copy(style_path, content)
    elif change == "moved":
        (tmp_path / "photos").mkdir()
        content = content.rename(tmp_path / "photos" / "cup.png")
    ran = run("-c", content, *common, *(change if isinstance(change, tuple) else ()), "--resume", "--dry-run")
    assert ran.exit_code == 0
    assert ran.stdout.count("(is there)") == 1 - again


def test_one_bad_file_does_not_stop_the_others(pictures: tuple, tmp_path: Path) -> None:
    (tmp_path / "photos" / "bad.png").write_bytes(b"no picture")
    ran = run(*pictures, "--contact-sheet", tmp_path / "sheet.png", "-q")
    assert ran.exit_code == 1
    assert len(names_in(tmp_path / "out")) == 4
    assert ran.stderr.count("\n") == 1
    assert ran.stderr.startswith("Error: 2 of 6 paintings failed: ")
    assert ran.stderr.count("bad.png is not an image") == 1
    assert (tmp_path / "sheet.png").exists()


def test_a_contact_sheet_shows_everything(pictures: tuple, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    ran = run(*pictures, "--sweep", "seed=1,2", "--contact-sheet", sheet)
    assert ran.exit_code == 0, ran.output
    shown = pixels_of(sheet)
    cell = 256 + 12
    assert shown.shape[1] == 5 * cell + 12  # the photograph, and two styles with two seeds
    rows = shown.shape[0] // cell
    assert rows == 3
    height = (shown.shape[0] - 12) // rows
    empty = [
        (shown[12 + row * height :, 12 + column * cell :][: height - 32, :256] == 255).all()
        for row in range(3)
        for column in range(5)
    ]
    assert empty == [True] + [False] * 14


def test_a_dry_run_lists_and_writes_nothing(pictures: tuple, tmp_path: Path) -> None:
    ran = run(*pictures, "--sweep", "seed=1,2", "--dry-run")
    assert ran.exit_code == 0
    lines = ran.stdout.splitlines()
    assert len(lines) == 9
    photo, style = tmp_path / "photos" / "cup.png", tmp_path / "styles" / "flipped.png"
    assert lines[0] == f"{tmp_path / 'out' / 'cup-flipped-seed=1.png'}: {photo} in the style of {style}"
    assert lines[-1] == "8 paintings; nothing was painted"
    assert not (tmp_path / "out").exists()


def test_an_interrupt_leaves_whole_files_and_says_what_is_left(pictures: tuple, tmp_path: Path) -> None:
    progress = tmp_path / "progress"
    arguments = [*pictures, "--iterations", 4000, "--optimizer", "adam", "--progress", "json", "--sweep", "seed=1,2"]
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
    assert errors.startswith("Error: interrupted: 8 of 8 are left (")
    assert errors.rstrip().endswith("add --resume to go on")
    assert len(errors.splitlines()) == 1
    assert names_in(tmp_path / "out") == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("-s STYLE", "no content picture was named: add --content"),
        ("-c missing/*.jpg -s STYLE", "--content missing/*.jpg names no picture"),
        ("-c CONTENT -s STYLE --sweep strength=2", "--strength is 2"),
        ("-c CONTENT -s STYLE --sweep colour=2", "--sweep is 'colour=2'"),
        ("-c CONTENT -s STYLE --contact-sheet sheet.xyz", "sheet.xyz"),
        ("-c CONTENT -s STYLE -o CONTENT", "is a file, not a folder"),
    ],
)
def test_bad_input_is_one_sentence_and_writes_nothing(
    arguments: str, sentence: str, content_path: Path, style_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = run(*arguments.replace("CONTENT", str(content_path)).replace("STYLE", str(style_path)).split())
    assert ran.exit_code == 2, ran.output
    assert sentence in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1
    assert names_in(tmp_path) == []
