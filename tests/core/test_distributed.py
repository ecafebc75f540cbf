"""Several processes paint what one does, and where one of them fails all end: real processes, started by torchrun."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.config.transfer_config import TransferConfig
from core.distributed import SINGLE_PROCESS, ProcessGroup
from core.errors import UsageError
from support.images import EXAMPLES, pixels_of

WORKER = Path(__file__).parents[1] / "support" / "distributed_worker.py"
LIMIT = 600
"""Seconds after which something hangs."""


def torchrun(processes: int, *arguments: object) -> list[str]:
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    return [*start, *(str(argument) for argument in arguments)]


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT)


def told(errors: str) -> list[str]:
    """The sentences among what torchrun writes about processes that fail."""
    return [line for line in errors.splitlines() if line.startswith("Error: ")]


def exit_statuses(errors: str) -> list[int]:
    """Those of the processes that failed, as torchrun reports them."""
    return [int(status) for status in re.findall(r"^ +exitcode +: (-?\d+)", errors, flags=re.MULTILINE)]


def work(task: str, folder: Path) -> list[dict[str, Any]]:
    """What the processes found, in their order."""
    ran = run(torchrun(2, WORKER, task, folder))
    assert ran.returncode == 0, ran.stderr
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    """Options that name a photograph wide enough for tiles that do not see all of it, two styles, and a region."""
    folder = tmp_path_factory.mktemp("pictures")
    for name, size in (("content/coffee.jpg", (224, 32)), ("style/night.jpg", (72, 80)), ("style/glass.jpg", (60, 50))):
        with Image.open(EXAMPLES / name) as picture:
            picture.resize(size, Image.Resampling.LANCZOS).save(folder / Path(name).with_suffix(".png").name)
    ramp = np.linspace(0, 255, 224).astype(np.uint8)
    Image.fromarray(np.tile(ramp, (32, 1))).save(folder / "mask.png")
    styles = ["--style", folder / "night.png", "--region", f"{folder / 'mask.png'}={folder / 'glass.png'}"]
    common = ["--image-size", 224, "--scales", 2, "--min-scale-size", 112, "--tv-weight", 300, "--device", "cpu"]
    return [
        "--content",
        folder / "coffee.png",
        *styles,
        *common,
        "--iterations",
        8,
        "--bit-depth",
        16,
        "--precision",
        "fp32",
    ]


def paint(folder: Path, pictures: list[object], name: str, *options: object) -> list[object]:
    """The arguments for a painting in the folder and its record."""
    files = ["--output", folder / f"{name}.png", "--record", folder / f"{name}.json"]
    return ["-m", "core.transfer", *pictures, *files, *options]


@pytest.fixture(scope="module")
def whole(pictures: list[object], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the painting of one process, whole.png, and its record."""
    folder = tmp_path_factory.mktemp("whole")
    ran = run([sys.executable, *(str(argument) for argument in paint(folder, pictures, "whole"))])
    assert ran.returncode == 0, ran.stderr
    return folder


def assert_same_painting(found: Path, whole: Path) -> None:
    """As close as float32 lets them be.

    The order of the sums differs, which changes losses and gradients by about 1e-7 of themselves; quasi-Newton steps
    make some 1e-3 of it, most where a maximum or a ReLU flips.
    """
    expected, record = (json.loads(path.read_text()) for path in (whole / "whole.json", found.with_suffix(".json")))
    assert len(record["losses"]) == len(expected["losses"])
    for one, other in zip(record["losses"], expected["losses"], strict=True):
        numbers = {name: value for name, value in other.items() if name != "seconds"}
        assert {name: one[name] for name in numbers} == pytest.approx(numbers, rel=5e-3)
    assert record["delivered"] == pytest.approx(expected["delivered"], rel=5e-3)
    painted, alone = (pixels_of(path).astype(float) for path in (found, whole / "whole.png"))
    apart = np.abs(painted - alone)
    assert apart.mean() < 0.5
    assert apart.max() <= 16


def test_the_painting_is_that_of_one_process(pictures: list[object], whole: Path, tmp_path: Path) -> None:
    ran = run(torchrun(2, *paint(tmp_path, pictures, "painting")))
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("8 evaluations") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["painting.json", "painting.png"]
    assert json.loads((tmp_path / "painting.json").read_text())["engine"]["processes"] == 2
    assert_same_painting(tmp_path / "painting.png", whole)


def test_a_killed_process_ends_all_and_others_go_on(pictures: list[object], whole: Path, tmp_path: Path) -> None:
    """Of three processes one is killed; two, whatever their number was before, paint the rest."""
    kept = tmp_path / "run.safetensors"
    options = paint(tmp_path, pictures, "painting", "--checkpoint", kept, "--checkpoint-every", 0)
    errors = kill_once_there(torchrun(3, *options), kept, signal.SIGKILL)
    assert len(told(errors)) == 1
    assert "another process of this run has ended" in told(errors)[0]
    assert sorted(exit_statuses(errors)) == [-signal.SIGKILL, 1, 1]
    assert [path.name for path in tmp_path.iterdir()] == [kept.name]

    ran = run(torchrun(2, *options))
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.count(f"resuming from {kept}") == 1
    assert not kept.exists()
    assert_same_painting(tmp_path / "painting.png", whole)


def kill_once_there(command: list[str], path: Path, number: int) -> str:
    """Start the command, send that signal to its second process once there is a file at `path`; its errors."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        while not path.exists():
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.02)
        os.kill(children(process.pid)[1], number)
        return process.communicate(timeout=LIMIT)[1]
    finally:
        process.kill()


def children(process: int) -> list[int]:
    """Those of a process, oldest first."""
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process)], capture_output=True, text=True, check=True)
    return sorted(map(int, found.stdout.split()))


def test_an_interrupt_of_one_delivers_the_best_picture_so_far(pictures: list[object], tmp_path: Path) -> None:
    kept = tmp_path / "run.safetensors"
    options = ["--iterations", 100000, "--optimizer", "adam", "--checkpoint", kept, "--checkpoint-every", 0]
    errors = kill_once_there(torchrun(2, *paint(tmp_path, pictures, "painting", *options)), kept, signal.SIGINT)
    assert told(errors) == []
    # torchrun may end the other process, which has done its share, while its interpreter shuts down.
    assert set(exit_statuses(errors)) - {-signal.SIGTERM} == {130}
    assert pixels_of(tmp_path / "painting.png").shape == (32, 224, 3)
    record = json.loads((tmp_path / "painting.json").read_text())
    assert record["stopped"]
    assert record["losses"][-1]["evaluations"] < 100000


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--image-size", "5"], "--image-size is 5"),
        (["--no-such-option"], "No such option: --no-such-option"),
    ],
)
def test_what_is_wrong_is_told_once(
    options: list[str], sentence: str, content_path: Path, style_path: Path, tmp_path: Path
) -> None:
    pictures = ["--content", content_path, "--style", style_path, "--output", tmp_path / "painting.png"]
    ran = run(torchrun(2, "-m", "core.transfer", *pictures, *options))
    assert len(told(ran.stderr)) == 1
    assert sentence in told(ran.stderr)[0]
    assert ran.returncode != 0
    assert list(tmp_path.iterdir()) == []


def test_what_fails_in_one_process_ends_all(tmp_path: Path) -> None:
    ran = run(torchrun(2, WORKER, "failing", tmp_path))
    assert told(ran.stderr) == ["Error: the disk of this machine is full"]
    assert exit_statuses(ran.stderr) == [1, 1]
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_says_what_each_process_does(content_path: Path, style_path: Path, tmp_path: Path) -> None:
    options = ["--content", content_path, "--style", style_path, "--output", tmp_path / "o.png", "--dry-run"]
    ran = run(torchrun(2, "-m", "core.transfer", *options))
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("2 processes") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_objective_is_that_of_the_whole_picture(tmp_path: Path) -> None:
    """In double precision; what goes from process to process is as much as told, but for numbers twice as long."""
    everywhere = work("objectives", tmp_path)
    for found in everywhere:
        for name, differences in found.items():
            limit = 1e-11 if name == "wasserstein" else 1e-12
            assert max(differences[key] for key in ("loss", "parts", "gradient")) <= limit, name
            assert differences["bytes"] - 16 == 2 * (differences["told"] - 16)
    assert [found["too small to share"]["tiles"] for found in everywhere] == [1, 0]
    assert all(found["gram"]["tiles"] > 1 for found in everywhere)


def test_what_processes_agree_on(tmp_path: Path) -> None:
    for found in work("agreements", tmp_path):
        assert found["least"] == [0, -1]
        assert found["any"] == [True, False]
        assert found["same picture"] == found["same start"] == ""
        assert "have come to different pictures" in found["other picture"]
        assert "do not find the same checkpoint" in found["other start"]


def test_the_variables_of_torchrun() -> None:
    environment = {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4"}
    assert ProcessGroup.of(environment) == ProcessGroup(rank=5, count=8, local_rank=1, local_count=4)
    assert ProcessGroup.of({}) == ProcessGroup.of(environment | {"WORLD_SIZE": "1", "RANK": "0"}) == SINGLE_PROCESS
    for broken in ({"WORLD_SIZE": "8"}, environment | {"RANK": "first"}, environment | {"WORLD_SIZE": "many"}):
        with pytest.raises(UsageError, match="start several processes with torchrun"):
            ProcessGroup.of(broken)


@pytest.mark.parametrize(
    "options", [{"style_loss": "sliced-wasserstein"}, {"objective": "objective.onnx"}, {"device": "mps"}]
)
def test_what_several_processes_cannot_share(options: dict[str, str]) -> None:
    config = TransferConfig(**options)
    SINGLE_PROCESS.require_shareable(config)
    with pytest.raises(UsageError, match="4 processes"):
        ProcessGroup(0, 4, 0, 4).require_shareable(config)
