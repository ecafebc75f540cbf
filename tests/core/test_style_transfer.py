"""The Python API in small runs with a tiny network."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from core import Progress, Result, TransferConfig, UsageError, stylize
from core.backends.device import choose_device
from core.backends.torch_backend import TorchBackend
from core.cli.config_file import read_options
from core.errors import StyleTransferError
from core.image.reading import read_image
from core.image.resize import resize
from core.image.writing import quantize, write_image
from core.memory.out_of_memory import convert_out_of_memory_errors
from core.styles import Style, StyleExemplar
from support.images import pixels_of
from support.tiny_vgg import use_tiny_vgg

pytestmark = pytest.mark.usefixtures("tiny_vgg")

QUICK = TransferConfig(image_size=64, iterations=6)


@pytest.fixture(scope="module")
def result(content_path: Path, style_path: Path) -> Result:
    with use_tiny_vgg():
        return stylize(content_path, style_path, QUICK)


def test_the_loss_decreases(content_path: Path, style_path: Path) -> None:
    result = stylize(content_path, style_path, QUICK.with_options(reference_size=64))
    assert result.image.size == (64, 43)
    assert result.pixels.shape == (1, 3, 43, 64)
    losses = [step["loss"] for step in result.losses]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.7 * losses[0]
    assert result.losses[-1]["evaluations"] == 6


def test_paths_images_and_arrays_give_the_same_result(result: Result, content_path: Path, style_path: Path) -> None:
    images = stylize(Image.open(content_path), Image.open(style_path), QUICK)
    arrays = stylize(pixels_of(content_path), pixels_of(style_path), QUICK)
    np.testing.assert_array_equal(images.pixels, result.pixels)
    np.testing.assert_array_equal(arrays.pixels, result.pixels)


def test_the_delivered_loss_is_below_that_of_torch_lbfgs_with_clamping(content_path: Path, style_path: Path) -> None:
    objective_of_both = {"style_weight": 0.1, "tv_weight": 0, "reference_size": 0, "padding": 0}
    config = TransferConfig(image_size=64, iterations=40, init="content", **objective_of_both)
    projected = stylize(content_path, style_path, config).record["delivered"]["loss"]
    backend = TorchBackend(config)
    content = torch.from_numpy(resize(read_image(content_path).pixels, (64, 43)))
    style = StyleExemplar((resize(read_image(style_path).pixels, (58, 64)),))
    objective = backend.objective(content.numpy(), [style], backend.plan((64, 43), (58, 64)))
    image = content.clone().requires_grad_(True)
    optimiser = torch.optim.LBFGS([image], max_iter=40, max_eval=40, history_size=100)

    def closure() -> float:
        found = objective(image)
        image.grad = found.gradient
        return found.loss

    optimiser.step(closure)
    clamped = objective(torch.from_numpy(quantize(image.detach().numpy().clip(0, 1)))).loss
    assert projected < clamped


@pytest.mark.parametrize("name", ["config", "checkpoint"])
def test_arguments_of_another_type_are_refused(name: str, content_path: Path, style_path: Path) -> None:
    with pytest.raises(UsageError, match=rf"^{name} is {{'strength': 1}}: expected a \w+$"):
        stylize(content_path, style_path, **{name: {"strength": 1}})  # type: ignore[arg-type]


def test_the_callback_gets_every_step_and_can_stop(content_path: Path, style_path: Path) -> None:
    seen: list[Progress] = []

    def stop_at_three(progress: Progress) -> bool:
        seen.append(progress)
        return progress.evaluations >= 3

    result = stylize(content_path, style_path, QUICK, callback=stop_at_three)
    assert result.record["stopped"]
    assert [progress.evaluations for progress in seen] == [step["evaluations"] for step in result.losses]
    assert seen[-1].image.size == (64, 43)
    np.testing.assert_array_equal(seen[-1].pixels, result.pixels)
    assert 0 < seen[0].fraction < seen[-1].fraction <= 1


def test_scales_run_from_coarse_to_fine(content_path: Path, style_path: Path) -> None:
    sizes = []
    config = QUICK.with_options(scales=2, optimizer="adam")  # every evaluation is a step
    result = stylize(content_path, style_path, config, callback=lambda progress: sizes.append(progress.size))
    assert sizes[0] == (32, 22)
    assert sizes[-1] == (64, 43)
    assert result.losses[-1]["evaluations"] == 6


def test_a_run_stopped_at_a_coarse_scale_has_the_final_size(content_path: Path, style_path: Path) -> None:
    result = stylize(content_path, style_path, QUICK.with_options(scales=2), callback=lambda progress: True)
    assert result.image.size == (64, 43)


def test_adam_lowers_the_loss(content_path: Path, style_path: Path) -> None:
    losses = stylize(content_path, style_path, QUICK.with_options(optimizer="adam", averaging=0.9)).losses
    assert losses[-1]["loss"] < losses[0]["loss"]


def test_the_same_seed_gives_the_same_result(content_path: Path, style_path: Path) -> None:
    config = QUICK.with_options(init="noise", seed=3, iterations=4)
    first, second = (stylize(content_path, style_path, config) for _ in range(2))
    other = stylize(content_path, style_path, config.with_options(seed=4))
    np.testing.assert_array_equal(first.pixels, second.pixels)
    assert np.abs(first.pixels - other.pixels).mean() > 0.01


def test_alpha_is_preserved(content_path: Path, style_path: Path, tmp_path: Path) -> None:
    with Image.open(content_path) as opaque:
        cut = opaque.convert("RGBA")
    cut.putalpha(Image.linear_gradient("L").resize(cut.size))
    result = stylize(cut, style_path, QUICK)
    result.save(tmp_path / "cut.png")
    alpha = pixels_of(tmp_path / "cut.png")[..., 3]
    expected = np.asarray(Image.linear_gradient("L").resize((64, 43), Image.Resampling.LANCZOS))
    assert np.abs(alpha.astype(int) - expected).max() <= 4


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bits_are_kept_from_input_to_output(style_path: Path, tmp_path: Path, suffix: str) -> None:
    """A gradient over a tenth of the range has 27 levels with 8 bits, and every pixel its own with 16."""
    levels = np.linspace(0.45, 0.55, 48 * 64, dtype=np.float32).reshape(1, 1, 48, 64)
    pixels = quantize(np.concatenate([levels, 1 - levels, levels[..., ::-1]], 1), 16)
    write_image(tmp_path / f"in.{suffix}", pixels, bit_depth=16)
    config = QUICK.with_options(style_weight=0, init="content", bit_depth=16, iterations=1)
    stylize(tmp_path / f"in.{suffix}", style_path, config).save(tmp_path / f"out.{suffix}")
    saved = read_image(tmp_path / f"out.{suffix}").pixels
    assert [len(np.unique(channel)) for channel in saved[0]] == [48 * 64] * 3
    np.testing.assert_allclose(saved, pixels, atol=1e-6)


def test_colors_at_partial_alpha_are_kept(style_path: Path, tmp_path: Path) -> None:
    colors = np.full((48, 64, 4), (20, 30, 110, 255), np.uint8)
    colors[..., 3] = np.linspace(0, 255, 64).astype(np.uint8)
    config = QUICK.with_options(style_weight=0, init="content", iterations=1)
    result = stylize(Image.fromarray(colors), style_path, config)
    result.save(tmp_path / "soft.png")
    saved = pixels_of(tmp_path / "soft.png")
    visible = colors[..., 3] > 0
    np.testing.assert_array_equal(saved[visible], colors[visible])
    result.save(tmp_path / "soft.jpg")
    flat = colors[..., :3] * (colors[..., 3:] / 255) + 255 - colors[..., 3:]
    assert np.abs(pixels_of(tmp_path / "soft.jpg") - flat).max() < 8


def test_a_content_image_beyond_the_memory_limit_is_refused(style_path: Path, tmp_path: Path) -> None:
    Image.new("1", (8000, 6000)).save(tmp_path / "large.png")
    with pytest.raises(UsageError, match=r"large\.png has 8000x6000 px, and reading it takes about 1\.8 GiB of memory"):
        stylize(tmp_path / "large.png", style_path, QUICK.with_options(max_memory=10**9))


def test_a_record_repeats_the_run_bit_for_bit(
    result: Result, content_path: Path, style_path: Path, tmp_path: Path
) -> None:
    result.save(tmp_path / "output.png")
    options = read_options(tmp_path / "output.png")
    assert (options.pop("content"), options.pop("style")) == (content_path.name, (Style((style_path.name,)),))
    assert options.pop("checksums").keys() == {content_path.name, style_path.name}
    again = stylize(content_path, style_path, TransferConfig.from_options(options))
    np.testing.assert_array_equal(again.pixels, result.pixels)


def test_the_record_holds_inputs_versions_and_losses(result: Result) -> None:
    record = json.loads(json.dumps(result.record))
    assert record["config"]["image_size"] == 64
    assert record["content"]["size"] == [96, 64]
    assert len(record["content"]["sha256"]) == len(record["backend"]["weights"]["sha256"]) == 64
    assert record["backend"]["torch"] == torch.__version__
    parts = (record["delivered"][part] for part in ("content", "style", "tv"))
    assert record["delivered"]["loss"] == pytest.approx(sum(parts), rel=1e-5)
    assert record["seconds"] > 0


def test_a_missing_device_is_one_sentence() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    with pytest.raises(StyleTransferError, match="finds no cuda device on this machine: use --device auto"):
        choose_device("cuda")


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_gives_the_loss_of_the_cpu(content_path: Path, style_path: Path) -> None:
    on_cpu, on_cuda = (stylize(content_path, style_path, QUICK.with_options(device=kind)) for kind in ("cpu", "cuda"))
    assert on_cuda.record["backend"]["device"].startswith("cuda")
    assert on_cuda.record["delivered"]["loss"] == pytest.approx(on_cpu.record["delivered"]["loss"], rel=0.02)


def test_exhausted_memory_is_one_sentence() -> None:
    with pytest.raises(StyleTransferError, match="reduce --image-size"), convert_out_of_memory_errors():
        torch.empty(2**60)


def test_a_missing_image_is_refused(style_path: Path) -> None:
    with pytest.raises(UsageError, match=r"content .*missing\.jpg"):
        stylize("missing.jpg", style_path, QUICK)
