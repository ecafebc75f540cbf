"""Batches of small runs on a tiny network, through the command line."""

import json
import shutil
import signal
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core import TransferConfig
from core.backends.loaded_network import LoadedNetwork
from core.image.embedded_record import read_record
from core.runs.progress import Progress
from core.style_transfer import stylize
from support.core_commands import batch, files_in
from support.images import pixels_of

pytestmark = pytest.mark.usefixtures("tiny_vgg")

SMALL = ("--image-size", "40", "--iterations", "3", "--device", "cpu")


@pytest.fixture
def images(content_path: Path, style_path: Path, tmp_path: Path) -> tuple[object, ...]:
    """The arguments for two content images, two styles, and the output directory "out"."""
    for kind in ("photos", "styles"):
        (tmp_path / kind).mkdir()
    shutil.copy(content_path, tmp_path / "photos" / "cup.png")
    shutil.copy(style_path, tmp_path / "styles" / "night.jpg")
    for source, target in ((content_path, "photos/flipped.png"), (style_path, "styles/flipped.png")):
        with Image.open(source) as image:
            image.transpose(Image.Transpose.FLIP_TOP_BOTTOM).save(tmp_path / target)
    return "-c", tmp_path / "photos" / "*.png", "-s", tmp_path / "styles", "-o", tmp_path / "out", *SMALL


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[TransferConfig]:
    """The configurations that networks are loaded for during the test, in order."""
    configs: list[TransferConfig] = []
    load = LoadedNetwork.load
    monkeypatch.setattr(LoadedNetwork, "load", lambda config, *rest, **named: configs.append(config) or load(config))
    return configs


def statuses(printed: str) -> dict[str, str]:
    """The status of each output in the JSON lines of a batch."""
    lines: list[dict[str, Any]] = [json.loads(line) for line in printed.splitlines() if '"status"' in line]
    assert [line["item"] for line in lines] == list(range(1, lines[0]["items"] + 1))
    return {Path(line["output"]).name: line["status"] for line in lines}


def test_batch_gives_the_results_of_single_runs_and_loads_the_network_once(
    images: tuple, tmp_path: Path, loads: list[TransferConfig]
) -> None:
    ran = batch(*images, "--sweep", "style-weight=0.02,0.5")
    assert ran.exit_code == 0, ran.output
    assert len(loads) == 1
    assert len(files_in(tmp_path / "out")) == 2 * 2 * 2
    config = TransferConfig(image_size=40, iterations=3, device="cpu", style_weight=0.5)
    single = stylize(tmp_path / "photos" / "cup.png", tmp_path / "styles" / "night.jpg", config)
    output = tmp_path / "out" / "cup-night-style-weight=0.5.png"
    np.testing.assert_array_equal(pixels_of(output), np.asarray(single.image))
    record = json.loads(read_record(output) or "")
    assert record["config"] == json.loads(json.dumps(config.to_dict()))
    assert record["backend"] == json.loads(json.dumps(single.record["backend"]))
    assert f"8 of 8: {tmp_path / 'out'}" in ran.stderr


def test_batch_loads_the_network_again_when_an_option_of_it_changes(images: tuple, loads: list[TransferConfig]) -> None:
    ran = batch(*images, "--sweep", "pooling=max,average")
    assert ran.exit_code == 0, ran.output
    assert [config.pooling for config in loads] == ["max", "average"]


def test_every_variant_of_a_sweep_has_its_own_precision(images: tuple, tmp_path: Path) -> None:
    ran = batch(*images, "--sweep", "precision=fp32,bf16")
    assert ran.exit_code == 0, ran.output
    for precision in ("fp32", "bf16"):
        record = json.loads(read_record(tmp_path / "out" / f"cup-night-precision={precision}.png") or "")
        assert record["backend"]["precision"] == precision


def test_resume_skips_complete_outputs_only(images: tuple, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert batch(*images).exit_code == 0
    names = files_in(out)
    assert len(names) == 4
    before = {name: (out / name).stat().st_mtime_ns for name in names}
    (out / names[0]).unlink()
    (out / names[1]).write_bytes((out / names[1]).read_bytes()[:-40])
    ran = batch(*images, "--resume", "--progress", "json")
    assert ran.exit_code == 0, ran.output
    assert statuses(ran.stdout) == dict(zip(names, ["running", "running", "finished", "finished"], strict=True))
    assert [name for name in names if (out / name).stat().st_mtime_ns == before[name]] == names[2:]


@pytest.mark.parametrize(
    ("change", "finished"), [(("--seed", 5), 0), (("--max-memory", "30GB"), 1), ("content", 0), ("moved", 1)]
)
def test_resume_compares_options_and_contents_of_files(
    change: object, finished: int, content_path: Path, style_path: Path, tmp_path: Path
) -> None:
    content = tmp_path / "cup.png"
    shutil.copy(content_path, content)
    common = ["-s", style_path, "-o", tmp_path / "out", *SMALL]
    assert batch("-c", content, *common).exit_code == 0
    if change == "content":
        shutil.copy(style_path, content)
    elif change == "moved":
        (tmp_path / "photos").mkdir()
        content = content.rename(tmp_path / "photos" / "cup.png")
    options = change if isinstance(change, tuple) else ()
    ran = batch("-c", content, *common, *options, "--resume", "--dry-run")
    assert ran.exit_code == 0
    assert ran.stdout.count("(finished)") == finished


def test_failed_item_does_not_stop_the_others(images: tuple, tmp_path: Path) -> None:
    (tmp_path / "photos" / "bad.png").write_bytes(b"no image")
    ran = batch(*images, "-q")
    assert ran.exit_code == 1
    assert len(files_in(tmp_path / "out")) == 4
    assert ran.stderr.count("\n") == 1
    assert ran.stderr.startswith("Error: 2 of 6 images failed: ")
    assert ran.stderr.count("bad.png") == 1


def test_dry_run_lists_the_items_and_writes_nothing(images: tuple, tmp_path: Path) -> None:
    ran = batch(*images, "--sweep", "seed=1,2", "--dry-run")
    assert ran.exit_code == 0
    lines = ran.stdout.splitlines()
    assert len(lines) == 9
    content, style = tmp_path / "photos" / "cup.png", tmp_path / "styles" / "flipped.png"
    assert lines[0] == f"{tmp_path / 'out' / 'cup-flipped-seed=1.png'}: {content} in the style of {style}"
    assert lines[-1] == "8 images; nothing was written"
    assert not (tmp_path / "out").exists()


def test_dry_run_names_the_items_that_would_fail(images: tuple, tmp_path: Path) -> None:
    (tmp_path / "photos" / "bad.png").write_bytes(b"no image")
    ran = batch(*images, "--sweep", "weights=oxford,missing.pth", "--sweep", "init=content,nowhere.png", "--dry-run")
    assert ran.exit_code == 1
    lines = ran.stdout.splitlines()
    failing = [line for line in lines if line.endswith(" (would fail)")]
    assert (len(lines), len(failing)) == (6 * 4 + 1, 6 * 4 - 4)
    assert ran.stderr.startswith("Error: 20 of 24 images would fail: ")
    for name in ("bad.png", "missing.pth", "--init nowhere.png does not exist"):
        assert ran.stderr.count(name) == 1
    assert not (tmp_path / "out").exists()


def test_an_interrupt_writes_the_best_image_so_far_and_resume_continues(
    images: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []

    def interrupt(step: Progress) -> None:
        steps.append(step.evaluations)
        if len(steps) == 5:  # in the second image
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr("core.cli.batch_run.show_progress", lambda *_: nullcontext(interrupt))
        ran = batch(*images, "-q")
    names = ["cup-flipped.png", "cup-night.png", "flipped-flipped.png", "flipped-night.png"]
    assert ran.exit_code == 130
    assert ran.stderr == (
        f"Error: interrupted: 3 of 4 images remain ({names[1]} with the best image so far, {names[2]}, {names[3]}); "
        "add --resume to continue\n"
    )
    assert files_in(tmp_path / "out") == names[:2]
    assert json.loads(read_record(tmp_path / "out" / names[1]) or "")["stopped"]
    resumed = batch(*images, "--resume", "--progress", "json")
    assert statuses(resumed.stdout) == dict(zip(names, ["finished", "running", "running", "running"], strict=True))
    assert not json.loads(read_record(tmp_path / "out" / names[1]) or "")["stopped"]


def test_weights_that_cannot_be_loaded_fail_their_items_only(images: tuple, tmp_path: Path) -> None:
    ran = batch(*images, "--sweep", "weights=missing,oxford", "-q")
    assert ran.exit_code == 1
    assert ran.stderr.startswith("Error: 4 of 8 images failed: ")
    assert ran.stderr.count("missing") == 1
    names = files_in(tmp_path / "out")
    assert len(names) == 4
    assert all(name.endswith("-weights=oxford.png") for name in names)


@pytest.mark.parametrize("option", [(), ("--resume",), ("--dry-run",)])
def test_a_batch_does_not_replace_the_image_of_another_program(option: tuple, images: tuple, tmp_path: Path) -> None:
    foreign = tmp_path / "out" / "cup-night.png"
    foreign.parent.mkdir()
    Image.new("RGB", (48, 32)).save(foreign)
    before = foreign.read_bytes()
    ran = batch(*images, *option, "-q")
    assert ran.exit_code == 1
    fail = "would fail" if option == ("--dry-run",) else "failed"
    assert ran.stderr == (
        f"Error: 1 of 4 images {fail}: {foreign} exists and is not a result of this program: move it, or choose "
        "another --output directory\n"
    )
    assert foreign.read_bytes() == before
    assert len(files_in(tmp_path / "out")) == (1 if option == ("--dry-run",) else 4)


def test_resume_compares_all_options_but_the_quality(images: tuple, tmp_path: Path) -> None:
    assert batch(*images, "-q").exit_code == 0
    for option, finished in ((("--quality", 50), 4), (("--bit-depth", 16), 0)):
        assert batch(*images, *option, "--resume", "--dry-run").stdout.count("(finished)") == finished
