"""Runs that fail after their first step, on a tiny network: the best image so far is delivered."""

import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core import Checkpoint, Progress, RunFailedError, TransferConfig, UsageError, stylize
from core.backends.torch_backend import TorchBackend, TorchObjective
from core.cli.video import Video
from core.errors import StyleTransferError
from core.image.embedded_record import read_record
from core.image.resize import resize
from core.image.writing import to_image
from core.optim.types import Evaluation
from core.runs.progress import RunInterrupted
from support.core_commands import batch, files_in, transfer
from support.images import pixels_of

pytestmark = pytest.mark.usefixtures("tiny_vgg")

CONFIG = TransferConfig(image_size=48, iterations=8, scales=2, min_scale_size=16, device="cpu", precision="fp32")
SMALL = ("--image-size", 48, "--iterations", 8, "--scales", 1, "--device", "cpu")

Evaluate = Callable[[TorchObjective, object], Evaluation]


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Evaluate], None]:
    """Replace the evaluations of an objective from the given number on."""

    def install(number: int, evaluate: Evaluate) -> None:
        original, count = TorchObjective.__call__, iter(range(1, 1000))

        def call(objective: TorchObjective, image: object) -> Evaluation:
            return original(objective, image) if next(count) < number else evaluate(objective, image)

        monkeypatch.setattr(TorchObjective, "__call__", call)

    return install


def raising(error: BaseException) -> Evaluate:
    def evaluate(objective: TorchObjective, image: object) -> Evaluation:
        raise error

    return evaluate


def not_a_number(objective: TorchObjective, image: np.ndarray) -> Evaluation:
    return Evaluation(float("nan"), image * float("nan"), {"content": float("nan"), "style": float("nan")})


def run(content: Path, style: Path, config: TransferConfig) -> tuple[RunFailedError | RunInterrupted, list[Progress]]:
    """Return the error of a run and the steps before it."""
    steps: list[Progress] = []
    with pytest.raises((RunFailedError, RunInterrupted)) as caught:
        stylize(content, style, config, callback=steps.append)
    return caught.value, steps


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (RuntimeError("boom\nand more"), "unexpected RuntimeError: boom"),
        (RuntimeError("CUDA out of memory. Tried to allocate"), "out of memory at this size: reduce --image-size"),
        (MemoryError(), "out of memory at this size: reduce --image-size"),
        (UsageError("an invalid target"), "an invalid target"),
    ],
)
def test_error_holds_the_image_of_the_last_step(
    error: Exception, sentence: str, fail: Callable, content_path: Path, style_path: Path
) -> None:
    fail(12, raising(error))  # each scale has two evaluations for the strength
    caught, steps = run(content_path, style_path, CONFIG)
    assert str(caught).startswith(sentence)
    assert isinstance(caught, StyleTransferError)
    assert caught.exit_status == 1
    np.testing.assert_array_equal(caught.result.pixels, steps[-1].pixels)
    assert steps[-1].scale == 2
    assert caught.result.record["stopped"]
    assert caught.result.record["delivered"] == {"loss": steps[-1].loss, **steps[-1].parts}


def test_image_of_a_coarse_scale_is_enlarged(fail: Callable, content_path: Path, style_path: Path) -> None:
    fail(4, raising(RuntimeError("boom")))
    caught, steps = run(content_path, style_path, CONFIG)
    assert steps[-1].size == (24, 16)
    assert caught.result.image.size == (48, 32)


def test_image_of_a_coarse_scale_keeps_its_size_if_memory_is_too_small_for_more(
    fail: Callable, content_path: Path, style_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def limited(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        if size == (48, 32):
            raise MemoryError
        return resize(pixels, size)

    fail(4, raising(RuntimeError("boom")))
    monkeypatch.setattr("core.style_transfer.resize", limited)
    caught, steps = run(content_path, style_path, CONFIG)
    assert str(caught) == "unexpected RuntimeError: boom"
    np.testing.assert_array_equal(caught.result.pixels, steps[-1].pixels)
    assert steps[-1].size == caught.result.image.size == (24, 16)


def test_interrupt_in_the_middle_of_a_step_holds_the_image(
    fail: Callable, content_path: Path, style_path: Path
) -> None:
    fail(6, raising(KeyboardInterrupt()))
    caught, steps = run(content_path, style_path, CONFIG.with_options(scales=1))
    assert isinstance(caught, KeyboardInterrupt)
    np.testing.assert_array_equal(caught.result.pixels, steps[-1].pixels)


def test_error_before_the_first_step_is_raised_unchanged(fail: Callable, content_path: Path, style_path: Path) -> None:
    fail(1, raising(KeyError("boom")))
    with pytest.raises(KeyError, match="boom"):
        stylize(content_path, style_path, CONFIG)


@pytest.mark.parametrize(("optimizer", "place"), [("lbfgs", "the result"), ("adam", "the best image, evaluation 4,")])
def test_loss_that_is_not_finite_is_named(
    optimizer: str, place: str, fail: Callable, content_path: Path, style_path: Path
) -> None:
    fail(6, not_a_number)  # two evaluations are for the strength
    caught, steps = run(content_path, style_path, CONFIG.with_options(scales=1, optimizer=optimizer))
    assert str(caught).startswith(f"the loss or the gradient at {place} is not finite (loss nan)")
    assert steps[-1].evaluations == 3
    np.testing.assert_array_equal(caught.result.pixels, steps[-1].pixels)


def test_single_loss_that_is_not_finite_does_not_end_the_run(
    fail: Callable, content_path: Path, style_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, failed = TorchObjective.__call__, []

    def once(objective: TorchObjective, image: np.ndarray) -> Evaluation:
        failed.append(True)
        return not_a_number(objective, image) if len(failed) == 1 else original(objective, image)

    fail(6, once)
    result = stylize(content_path, style_path, CONFIG.with_options(scales=1))
    assert not result.record["stopped"]
    assert result.record["delivered"]["loss"] < result.losses[0]["loss"]


def test_failed_command_writes_the_image_and_names_the_cause(
    fail: Callable, content_path: Path, style_path: Path, tmp_path: Path
) -> None:
    fail(6, raising(MemoryError()))
    output, checkpoint = tmp_path / "o.png", tmp_path / "run.safetensors"
    ran = transfer(
        "-c", content_path, "-s", style_path, "-o", output, "--checkpoint", checkpoint, "--checkpoint-every", 0, *SMALL
    )
    assert ran.exit_code == 1
    (error,) = [line for line in ran.stderr.splitlines() if "scale" not in line]
    assert error == (
        "Error: out of memory at this size: reduce --image-size, --history or --tile-size; "
        f"the best image so far was written to {output}"
    )
    assert '"stopped": true' in (read_record(output) or "")
    assert pixels_of(output).shape == (32, 48, 3)
    assert checkpoint.exists()


def test_command_that_is_interrupted_twice_writes_the_image(
    fail: Callable, content_path: Path, style_path: Path, tmp_path: Path
) -> None:
    def interrupt_twice(objective: TorchObjective, image: object) -> Evaluation:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("the second signal raises")

    fail(6, interrupt_twice)
    ran = transfer("-c", content_path, "-s", style_path, "-o", tmp_path / "o.png", "-q", *SMALL)
    assert (ran.exit_code, ran.stderr) == (130, "")
    assert pixels_of(tmp_path / "o.png").shape == (32, 48, 3)


def test_failed_batch_item_writes_the_image_and_is_not_finished(
    fail: Callable, content_path: Path, style_path: Path, tmp_path: Path
) -> None:
    fail(6, raising(MemoryError()))
    arguments = ("-c", content_path, "-s", style_path, "-o", tmp_path, *SMALL)
    ran = batch(*arguments, "-q")
    assert ran.exit_code == 1
    (name,) = files_in(tmp_path)
    assert ran.stderr.startswith("Error: 1 of 1 images failed: out of memory at this size")
    assert ran.stderr.endswith(f"the best image so far was written to {tmp_path / name}\n")
    assert pixels_of(tmp_path / name).shape == (32, 48, 3)
    assert "(finished)" not in batch(*arguments, "--resume", "--dry-run").stdout


def full(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


def warnings_of(stderr: str) -> list[str]:
    return [line for line in stderr.splitlines() if line.startswith("Warning: ")]


def test_checkpoint_that_cannot_be_written_gives_one_warning(
    content_path: Path, style_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors import SafetensorError

    def fail_to_save(*_: object) -> None:
        raise SafetensorError("I/O error: File too large")

    monkeypatch.setattr("safetensors.numpy.save_file", fail_to_save)
    ran = transfer(
        *("-c", content_path, "-s", style_path, "-o", tmp_path / "o.png", *SMALL),
        *("--checkpoint", tmp_path / "run", "--checkpoint-every", 0),
    )
    assert ran.exit_code == 0
    path = tmp_path / "run"
    assert warnings_of(ran.stderr) == [
        f"Warning: the checkpoint failed, the run continues: cannot write {path}: I/O error: File too large"
    ]
    assert files_in(tmp_path) == ["o.png"]


def test_snapshots_that_cannot_be_written_give_one_warning(
    content_path: Path, style_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.cli.snapshots.write_image", full)
    ran = transfer("-c", content_path, "-s", style_path, "-o", tmp_path / "o.png", "--save-every", 2, *SMALL)
    assert ran.exit_code == 0
    assert warnings_of(ran.stderr) == [
        "Warning: an intermediate image failed, the run continues: [Errno 28] No space left on device"
    ]
    assert files_in(tmp_path) == ["o.png"]


def test_video_that_cannot_be_written_gives_one_warning(
    content_path: Path, style_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = Image.Image.save

    def save_unless_webp(image: Image.Image, target: Path, format: str | None = None, **options: object) -> None:
        if format == "WEBP":
            full()
        save(image, target, format, **options)

    monkeypatch.setattr(Image.Image, "save", save_unless_webp)
    ran = transfer(
        "-c", content_path, "-s", style_path, "-o", tmp_path / "o.png", "--video", tmp_path / "o.webp", *SMALL
    )
    assert ran.exit_code == 0
    (warning,) = warnings_of(ran.stderr)
    assert warning.startswith("Warning: the video failed, the run continues: cannot write")
    assert files_in(tmp_path) == ["o.png"]


def test_interrupted_video_is_reported_with_the_written_files(
    content_path: Path, style_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt_twice(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Video, "write", interrupt_twice)
    output, record, video = tmp_path / "o.png", tmp_path / "o.json", tmp_path / "o.webp"
    ran = transfer(
        "-c", content_path, "-s", style_path, "-o", output, "--record", record, "--video", video, "-q", *SMALL
    )
    assert ran.exit_code == 130
    assert ran.stderr == f"Error: interrupted: {video} was not written, but {output} and {record} were\n"
    assert files_in(tmp_path) == ["o.json", "o.png"]


def test_output_and_record_that_cannot_be_written_are_reported_together(
    content_path: Path, style_path: Path, tmp_path: Path
) -> None:
    output, record = tmp_path / "o.png", tmp_path / "o.json"

    def replace_by_folders(progress: Progress) -> None:
        output.mkdir(exist_ok=True)
        record.mkdir(exist_ok=True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.cli.snapshots.SnapshotWriter.__call__", lambda _, step: replace_by_folders(step))
        ran = transfer("-c", content_path, "-s", style_path, "-o", output, "--record", record, "-q", *SMALL)
    assert ran.exit_code == 1
    assert ran.stderr.startswith(
        f"Error: {output} is a folder or a device, not a file: choose another name; the image "
    )
    assert f"{record} is a folder" in ran.stderr
    (copy,) = tmp_path.glob("style-transfer-*.png")
    assert str(copy) in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_plan_of_every_scale_precedes_the_first_evaluation(
    content_path: Path, style_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(backend: TorchBackend, size: tuple[int, int], style_size: tuple[int, int]) -> None:
        planned.append(size)
        if len(planned) == 2:
            raise StyleTransferError("the second scale needs more memory")

    planned: list[tuple[int, int]] = []
    monkeypatch.setattr(TorchBackend, "plan", check)
    monkeypatch.setattr(TorchBackend, "objective", lambda *_, **__: pytest.fail("a scale was started"))
    with pytest.raises(StyleTransferError, match="second scale"):
        stylize(content_path, style_path, CONFIG)


def test_snapshots_keep_the_alpha_channel(content_path: Path, style_path: Path, tmp_path: Path) -> None:
    with Image.open(content_path) as opaque:
        cut = opaque.convert("RGBA")
    cut.putalpha(Image.linear_gradient("L").resize(cut.size))
    cut.save(tmp_path / "cut.png")
    steps: list[Progress] = []
    stylize(tmp_path / "cut.png", style_path, CONFIG, callback=steps.append)
    ran = transfer(
        "-c", tmp_path / "cut.png", "-s", style_path, "-o", tmp_path / "o.png", "--save-every", 4,
        *("--image-size", 48, "--iterations", 8, "--scales", 2, "--min-scale-size", 16, "--precision", "fp32"),
    )  # fmt: skip
    assert ran.exit_code == 0, ran.output
    for evaluations in (4, 8):
        (step,) = [one for one in steps if one.evaluations == evaluations]
        snapshot = pixels_of(tmp_path / f"o-{evaluations:04d}.png")
        np.testing.assert_array_equal(snapshot, np.asarray(to_image(step.colors, step.alpha)))
        expected = cut.getchannel("A").resize(step.size, Image.Resampling.LANCZOS)
        assert np.abs(snapshot[..., 3].astype(int) - np.asarray(expected)).max() <= 4


def test_resumed_run_may_have_another_quality_and_bit_depth(
    content_path: Path, style_path: Path, tmp_path: Path
) -> None:
    path = tmp_path / "run"
    stylize(content_path, style_path, CONFIG, callback=lambda step: step.evaluations >= 3, checkpoint=Checkpoint(path))
    whole = stylize(content_path, style_path, CONFIG.with_options(quality=50, bit_depth=16))
    resumed = stylize(
        content_path, style_path, CONFIG.with_options(quality=50, bit_depth=16), checkpoint=Checkpoint(path)
    )
    np.testing.assert_array_equal(resumed.pixels, whole.pixels)
    assert resumed.record["delivered"] == whole.record["delivered"]
