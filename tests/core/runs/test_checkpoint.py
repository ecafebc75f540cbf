"""A resumed run gives the result of an uninterrupted one, bit for bit; `tests/robustness` kills runs."""

import hashlib
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file
from typer.testing import CliRunner

from core import Checkpoint, Progress, TransferConfig, UsageError, stylize
from core.transfer import app
from support.tiny_vgg import use_tiny_vgg

pytestmark = pytest.mark.usefixtures("tiny_vgg")

QUICK = TransferConfig(image_size=48, iterations=8, scales=2, min_scale_size=16, device="cpu")


def state_of(path: Path) -> dict:
    with safe_open(path, framework="numpy") as file:
        return json.loads(file.metadata()["state"])


def stopping_at(evaluations: int) -> object:
    return lambda progress: progress.evaluations >= evaluations


def test_a_stopped_run_resumes_with_its_losses(content_path: Path, style_path: Path, tmp_path: Path) -> None:
    whole = stylize(content_path, style_path, QUICK)
    checkpoint = Checkpoint(tmp_path / "run", every=1000)
    stopped = stylize(content_path, style_path, QUICK, callback=stopping_at(3), checkpoint=checkpoint)
    assert stopped.record["stopped"]
    assert checkpoint.path.exists()
    seen: list[Progress] = []
    again = stylize(content_path, style_path, QUICK, callback=seen.append, checkpoint=Checkpoint(tmp_path / "run"))
    np.testing.assert_array_equal(again.pixels, whole.pixels)
    assert [step | {"seconds": 0} for step in again.losses] == [step | {"seconds": 0} for step in whole.losses]
    assert [progress.resumed for progress in seen] == [True] + [False] * (len(seen) - 1)
    seconds = [step["seconds"] for step in again.losses]
    assert seconds == sorted(seconds)
    assert again.record["seconds"] >= seconds[-1] - 0.001
    assert again.record["delivered"] == whole.record["delivered"]


def test_checkpoints_are_written_at_the_interval(content_path: Path, style_path: Path, tmp_path: Path) -> None:
    stylize(content_path, style_path, QUICK, checkpoint=Checkpoint(tmp_path / "seldom", every=1000))
    assert not (tmp_path / "seldom").exists()
    stylize(content_path, style_path, QUICK, checkpoint=Checkpoint(tmp_path / "often", every=0))
    assert state_of(tmp_path / "often")["about"]["config"] == json.loads(json.dumps(QUICK.to_dict()))


@pytest.fixture(scope="module")
def left(content_path: Path, style_path: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The checkpoint of a run that was stopped at its third evaluation."""
    path = tmp_path_factory.mktemp("left") / "run"
    with use_tiny_vgg():
        stylize(content_path, style_path, QUICK, callback=stopping_at(3), checkpoint=Checkpoint(path))
    return path.read_bytes()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"iterations": 9}, "differs in --iterations:"),
        ({"style_weight": 0.2, "init": "content"}, "differs in --init, --style-weight:"),
        ({"content": "style"}, "differs in the content image:"),
        ({"style": "content"}, "differs in the styles:"),
    ],
)
def test_the_checkpoint_of_another_run_is_refused(
    options: dict, sentence: str, left: bytes, content_path: Path, style_path: Path, tmp_path: Path
) -> None:
    path = tmp_path / "run"
    path.write_bytes(left)
    pictures = {"content": content_path, "style": style_path}
    chosen = [pictures[options.pop(kind, kind)] for kind in ("content", "style")]
    with pytest.raises(UsageError, match=sentence):
        stylize(*chosen, QUICK.with_options(**options), checkpoint=Checkpoint(path))
    assert path.read_bytes() == left


def test_options_without_influence_on_the_result_may_change(
    left: bytes, content_path: Path, style_path: Path, tmp_path: Path
) -> None:
    path = tmp_path / "run"
    path.write_bytes(left)
    config = QUICK.with_options(save_every=3, max_memory="40GB")
    resumed = stylize(content_path, style_path, config, checkpoint=Checkpoint(path))
    assert resumed.losses[:3] == state_of(path)["losses"][:2] + resumed.losses[2:3]


def damage(data: bytes, how: str) -> bytes:
    match how:
        case "cut":
            return data[:-100]
        case "one bit":
            return data[:-100] + bytes([data[-100] ^ 1]) + data[-99:]
        case "empty":
            return b""
        case _:
            return b"something else, and longer than eight bytes"


@pytest.mark.parametrize("how", ["cut", "one bit", "empty", "other"])
def test_a_damaged_checkpoint_is_refused(
    how: str, left: bytes, content_path: Path, style_path: Path, tmp_path: Path
) -> None:
    path = tmp_path / "run"
    path.write_bytes(damage(left, how))
    with pytest.raises(UsageError, match="remove it, or choose another file"):
        stylize(content_path, style_path, QUICK, checkpoint=Checkpoint(path))


def test_the_tensors_of_a_network_are_refused(content_path: Path, style_path: Path, tmp_path: Path) -> None:
    save_file({"weight": np.zeros(3, np.float32)}, tmp_path / "network.safetensors")
    with pytest.raises(UsageError, match="is not a checkpoint of this program"):
        stylize(content_path, style_path, QUICK, checkpoint=Checkpoint(tmp_path / "network.safetensors"))


def test_a_checkpoint_of_an_older_format_is_refused(content_path: Path, style_path: Path, tmp_path: Path) -> None:
    metadata = {"format": "style-transfer checkpoint 3", "kept": "{}"}
    save_file({"image": np.zeros((1, 3, 2, 2), np.float32)}, tmp_path / "run", metadata)
    with pytest.raises(UsageError, match="has format 3, and this version of the program reads format 5"):
        stylize(content_path, style_path, QUICK, checkpoint=Checkpoint(tmp_path / "run"))


def resume_forged(data: bytes, path: Path, change: Callable[[dict, dict], object], *, signed: bool = True) -> None:
    """Resume a run from its checkpoint with the state and the arrays changed, with checksums that fit if `signed`."""
    path.write_bytes(data)
    with safe_open(path, framework="numpy") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
        metadata = dict(file.metadata())
    state = json.loads(metadata["state"])
    about, shape = dict(state["about"]), arrays["image"].shape
    change(state, arrays)
    state["crc32"] = {name: zlib.crc32(np.ascontiguousarray(array).data) for name, array in arrays.items()}
    metadata["state"] = json.dumps(state)
    if signed:
        metadata["sha256"] = hashlib.sha256(metadata["state"].encode()).hexdigest()
    save_file(arrays, path, metadata)
    saved = Checkpoint(path).open(QUICK, {name: about[name] for name in ("content", "styles", "files", "backend")}, 2)
    assert saved is not None
    saved.read_step(shape)


def test_a_checkpoint_without_changes_is_accepted(left: bytes, tmp_path: Path) -> None:
    resume_forged(left, tmp_path / "run", lambda state, arrays: None)


def test_a_checkpoint_whose_state_was_edited_is_refused(left: bytes, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is damaged: remove it, or choose another file"):
        resume_forged(left, tmp_path / "run", lambda state, arrays: state["step"].update(loss=0.0), signed=False)


@pytest.mark.parametrize(
    "change",
    [
        lambda state, arrays: state.pop("scale"),
        lambda state, arrays: state.update(scale=3),
        lambda state, arrays: state.update(scale=0),
        lambda state, arrays: state.update(evaluations=10**6),
        lambda state, arrays: state.update(evaluations=1),
        lambda state, arrays: state.update(seconds=float("nan")),
        lambda state, arrays: state.update(seconds="long"),
        lambda state, arrays: state.update(losses=5),
        lambda state, arrays: state.update(losses=[{"loss": []}]),
        lambda state, arrays: state.update(about=[]),
        lambda state, arrays: state["about"].pop("config"),
        lambda state, arrays: state["about"].update(styles=[5]),
        lambda state, arrays: state["about"].update(backend=5),
        lambda state, arrays: state["step"].update(loss=float("inf")),
        lambda state, arrays: state["step"].update(numbers={}),
        lambda state, arrays: state["step"].update(parts={"content": None}),
        lambda state, arrays: state["step"]["numbers"].update(slots=[7]),
        lambda state, arrays: state["step"]["numbers"].update(slots=[0, 0]),
        lambda state, arrays: state["step"]["numbers"].update(StY=[[1.0]]),
        lambda state, arrays: state["step"]["numbers"]["StY"][0].__setitem__(0, float("nan")),
        lambda state, arrays: arrays.pop("image"),
        lambda state, arrays: arrays.pop("gradient"),
        lambda state, arrays: arrays.pop("s 0"),
        lambda state, arrays: arrays.update(image=arrays["image"][..., :-1]),
        lambda state, arrays: arrays.update(image=arrays["image"].astype(np.float64)),
        lambda state, arrays: arrays.update(gradient=np.full_like(arrays["gradient"], np.nan)),
    ],
)
def test_a_forged_checkpoint_is_refused(change: Callable[[dict, dict], object], left: bytes, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="remove it, or choose another file"):
        resume_forged(left, tmp_path / "run", change)


@pytest.mark.parametrize("every", [-1, float("nan"), "often", None])
def test_an_invalid_interval_is_refused(every: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--checkpoint-every is"):
        Checkpoint(tmp_path / "run", every)


@pytest.mark.parametrize("where", ["CONTENT", "painting.png", "."])
def test_a_checkpoint_never_replaces_another_file_of_the_run(
    where: str, content_path: Path, style_path: Path, tmp_path: Path
) -> None:
    file = content_path if where == "CONTENT" else tmp_path / where
    arguments = ["-c", content_path, "-s", style_path, "-o", tmp_path / "painting.png", "--checkpoint", file]
    ran = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert (ran.exit_code, len(ran.stderr.splitlines())) == (2, 1)
    assert list(tmp_path.iterdir()) == []
