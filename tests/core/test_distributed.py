"""Several ranks give the result of one process; if one fails, all exit. `tests/test_readme.py` runs torchrun itself."""

import json
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.config.transfer_config import TransferConfig
from core.distributed import SINGLE_PROCESS, ProcessGroup
from core.errors import UsageError
from support.forked_ranks import Ended, forked_ranks, run_ranks
from support.images import EXAMPLES, pixels_of

WORKER = "support.distributed_worker"


def error_lines(errors: str) -> list[str]:
    """The error messages in the output of the ranks."""
    return [line for line in errors.splitlines() if line.startswith("Error: ")]


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The results of two ranks of the worker, in their order."""
    folder = tmp_path_factory.mktemp("worked")
    ran = run_ranks(2, WORKER, "all", folder)
    assert ran.statuses == [0, 0], ran.stderr
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    """Options for a content image wide enough for tiles that do not read all of it, two styles, and a region."""
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


def arguments_for(folder: Path, inputs: list[object], name: str, *options: object) -> list[object]:
    """The arguments of a run that writes an image and a record to the folder."""
    files = ["--output", folder / f"{name}.png", "--record", folder / f"{name}.json"]
    return [*inputs, *files, *options]


@pytest.fixture(scope="module")
def whole(inputs: list[object], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the output of one process, whole.png, and its record."""
    folder = tmp_path_factory.mktemp("whole")
    ran = run_ranks(1, "core.transfer", *arguments_for(folder, inputs, "whole"))
    assert ran.statuses == [0], ran.stderr
    return folder


def assert_same_result(found: Path, whole: Path) -> None:
    """Check that two results agree to the precision of float32.

    The order of summation differs, which changes losses and gradients by about 1e-7. Quasi-Newton steps amplify that to
    about 1e-3, most where a maximum or a ReLU changes sides.
    """
    expected, record = (json.loads(path.read_text()) for path in (whole / "whole.json", found.with_suffix(".json")))
    assert len(record["losses"]) == len(expected["losses"])
    for one, other in zip(record["losses"], expected["losses"], strict=True):
        numbers = {name: value for name, value in other.items() if name != "seconds"}
        assert {name: one[name] for name in numbers} == pytest.approx(numbers, rel=5e-3)
    assert record["delivered"] == pytest.approx(expected["delivered"], rel=5e-3)
    result, alone = (pixels_of(path).astype(float) for path in (found, whole / "whole.png"))
    apart = np.abs(result - alone)
    assert apart.mean() < 0.5
    assert apart.max() <= 16


def test_two_ranks_give_the_result_of_one_process(inputs: list[object], whole: Path, tmp_path: Path) -> None:
    ran = run_ranks(2, "core.transfer", *arguments_for(tmp_path, inputs, "painting"))
    assert ran.statuses == [0, 0], ran.stderr
    assert ran.stdout.count("8 evaluations") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["painting.json", "painting.png"]
    assert json.loads((tmp_path / "painting.json").read_text())["backend"]["processes"] == 2
    assert_same_result(tmp_path / "painting.png", whole)


def test_after_a_kill_all_ranks_exit_and_another_number_resumes(
    inputs: list[object], whole: Path, tmp_path: Path
) -> None:
    """One of three ranks is killed, and the first writes the best image so far; two ranks resume the run."""
    kept = tmp_path / "run.safetensors"
    options = arguments_for(tmp_path, inputs, "painting", "--checkpoint", kept, "--checkpoint-every", 0)
    killed = signal_when_saved(3, options, kept, signal.SIGKILL)
    assert len(error_lines(killed.stderr)) == 1
    assert "another rank has exited" in error_lines(killed.stderr)[0]
    assert killed.statuses == [1, -signal.SIGKILL, 1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["painting.json", "painting.png", kept.name]
    assert json.loads((tmp_path / "painting.json").read_text())["stopped"]

    ran = run_ranks(2, "core.transfer", *options)
    assert ran.statuses == [0, 0], ran.stderr
    assert ran.stderr.count(f"resuming from {kept}") == 1
    assert not kept.exists()
    assert_same_result(tmp_path / "painting.png", whole)


def signal_when_saved(ranks: int, arguments: list[object], path: Path, number: int) -> Ended:
    """Start a transfer, send the signal to rank 1 when `path` exists, and wait for all ranks."""
    with forked_ranks(ranks, "core.transfer", *arguments) as started:
        while not path.exists():
            assert started.running, started.wait().stderr
            time.sleep(0.02)
        started.send(number, rank=1)
        return started.wait()


def test_an_interrupt_of_one_rank_delivers_the_best_image_so_far(inputs: list[object], tmp_path: Path) -> None:
    kept = tmp_path / "run.safetensors"
    options = ["--iterations", 100000, "--optimizer", "adam", "--checkpoint", kept, "--checkpoint-every", 0]
    stopped = signal_when_saved(2, arguments_for(tmp_path, inputs, "painting", *options), kept, signal.SIGINT)
    assert error_lines(stopped.stderr) == []
    assert stopped.statuses == [130, 0]  # torchrun would end rank 0 while it writes if another one failed
    assert pixels_of(tmp_path / "painting.png").shape == (32, 224, 3)
    record = json.loads((tmp_path / "painting.json").read_text())
    assert record["stopped"]
    assert record["losses"][-1]["evaluations"] < 100000


@pytest.mark.parametrize(
    ("module", "options", "sentence"),
    [
        ("core.transfer", ["--image-size", "5"], "--image-size is 5"),
        ("core.transfer", ["--no-such-option"], "no such option: --no-such-option"),
        ("core.batch", [], "a batch runs in one process: start it without torchrun"),
    ],
)
def test_a_usage_error_is_reported_once(
    module: str, options: list[str], sentence: str, content_path: Path, style_path: Path, tmp_path: Path
) -> None:
    images = ["--content", content_path, "--style", style_path, "--output", tmp_path / "painting.png"]
    ran = run_ranks(2, module, *images, *options)
    assert len(error_lines(ran.stderr)) == 1
    assert sentence in error_lines(ran.stderr)[0]
    assert ran.statuses == [2, 2]
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_one_rank_ends_all(tmp_path: Path) -> None:
    ran = run_ranks(2, WORKER, "failing", tmp_path)
    assert error_lines(ran.stderr) == ["Error: the disk of this machine is full"]
    assert ran.statuses == [1, 1]
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_reports_the_share_of_each_rank(content_path: Path, style_path: Path, tmp_path: Path) -> None:
    options = ["--content", content_path, "--style", style_path, "--output", tmp_path / "o.png", "--dry-run"]
    ran = run_ranks(2, "core.transfer", *options)
    assert ran.statuses == [0, 0], ran.stderr
    assert ran.stdout.count("2 processes") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_objective_equals_that_of_the_whole_image(worked: list[dict[str, Any]]) -> None:
    """In float64; the ranks exchange the predicted number of bytes, doubled for float64."""
    everywhere = [results["objectives"] for results in worked]
    for found in everywhere:
        for name, differences in found.items():
            limit = 1e-11 if name == "wasserstein" else 1e-12
            assert max(differences[key] for key in ("loss", "parts", "gradient")) <= limit, name
            assert differences["bytes"] - 16 == 2 * (differences["predicted"] - 16)
    assert [found["too small to share"]["tiles"] for found in everywhere] == [1, 0]
    assert all(found["gram"]["tiles"] > 1 for found in everywhere)


def test_collectives_and_checks(worked: list[dict[str, Any]]) -> None:
    for found in (results["agreements"] for results in worked):
        assert found["min"] == [0, -1]
        assert found["any"] == [True, False]
        assert found["same image"] == found["same start"] == ""
        assert "ranks have diverged" in found["other image"]
        assert "do not find the same checkpoint" in found["other start"]


def test_the_environment_variables_of_torchrun() -> None:
    environment = {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4"}
    assert ProcessGroup.of(environment) == ProcessGroup(rank=5, world_size=8, local_rank=1, local_world_size=4)
    assert ProcessGroup.of({}) == ProcessGroup.of(environment | {"WORLD_SIZE": "1", "RANK": "0"}) == SINGLE_PROCESS
    for broken in ({"WORLD_SIZE": "8"}, environment | {"RANK": "first"}, environment | {"WORLD_SIZE": "many"}):
        with pytest.raises(UsageError, match="start several processes with torchrun"):
            ProcessGroup.of(broken)


@pytest.mark.parametrize(
    "options", [{"style_loss": "sliced-wasserstein"}, {"objective": "objective.onnx"}, {"device": "mps"}]
)
def test_options_that_ranks_cannot_share_are_refused(options: dict[str, str]) -> None:
    config = TransferConfig(**options)
    SINGLE_PROCESS.check_supports(config)
    with pytest.raises(UsageError, match="4 processes"):
        ProcessGroup(0, 4, 0, 4).check_supports(config)
