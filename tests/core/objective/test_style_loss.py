"""A style loss is added from one file: the command line, configuration, plan, checkpoints and record accept it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from core.config.transfer_config import TransferConfig
from core.errors import UsageError
from core.memory.tiling import Tiling
from core.objective.nearest import NearestLoss
from core.objective.style_loss import StyleLoss
from core.objective.targets import compute_targets
from core.objective.tiled import TiledObjective
from core.objective.tiled_extractor import TiledFeatureExtractor
from core.objective.types import LayerFeatures
from core.objective.weights import LossWeights
from core.runs.checkpoint import Checkpoint
from core.runs.progress import Progress
from core.style_transfer import stylize
from core.styles import StyleExemplar
from core.transfer import app
from support.images import pixels_of
from support.networks import CPU, SHALLOW, network, random_image
from support.toy_losses import ChannelMeans, SampledMeans

SMALL = {"image_size": 64, "iterations": 6, "padding": 0, "device": "cpu"}

pytestmark = pytest.mark.usefixtures("toy_losses")


@pytest.mark.parametrize("loss", [ChannelMeans(), SampledMeans(3)])
def test_backward_is_the_gradient_of_the_statistic(loss: StyleLoss) -> None:
    features = torch.rand(1, 4, 6, 5, dtype=torch.float64, requires_grad=True)
    statistic = loss.statistic(features)
    weights = torch.rand_like(statistic)
    (expected,) = torch.autograd.grad((statistic * weights).sum(), features)
    found = torch.zeros_like(features)
    with torch.no_grad():
        loss.backward(found, features.detach(), weights)
    torch.testing.assert_close(found, expected)


def test_the_command_line_runs_a_loss_from_one_file(
    tiny_vgg: None, content_path: Path, style_path: Path, tmp_path: Path
) -> None:
    output, record = tmp_path / "out.png", tmp_path / "out.json"
    arguments = ["--content", content_path, "--style", style_path, "--output", output, "--record", record]
    options = [
        "--image-size",
        64,
        "--iterations",
        6,
        "--device",
        "cpu",
        "--style-loss",
        "channel-means",
        "--init",
        "content",
    ]
    ran = CliRunner().invoke(app, [str(argument) for argument in (*arguments, *options)])
    assert ran.exit_code == 0, ran.output
    written = json.loads(record.read_text())
    assert written["config"]["style_loss"] == "channel-means"
    assert written["losses"][-1]["style"] < written["losses"][0]["style"]
    assert pixels_of(output).shape == (43, 64, 3)


def test_help_lists_a_loss_that_a_module_registers() -> None:
    program = "from support.toy_losses import register; register(); from core.transfer import app; app(['--help'])"
    tests = Path(__file__).parents[2]
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tests, env=_environment(tests), check=True
    )
    assert "channel-means" in ran.stdout


def test_tiles_of_a_tileable_loss_add_up() -> None:
    config = TransferConfig(**SHALLOW, style_loss="channel-means")
    extractor, weights = network(config), LossWeights.of(config, 57.6)
    content, image, style = random_image(1, 96, 80), random_image(3, 96, 80), random_image(2, 75, 58)
    found = []
    for side in (16, 512):
        features = TiledFeatureExtractor(extractor, Tiling.of(extractor.arch, extractor.taps, side), CPU)
        targets = compute_targets(features, content, [StyleExemplar((style,))], weights)
        found.append(TiledObjective(features, targets, weights)(image))
    tiles, whole = found
    assert tiles.loss == pytest.approx(whole.loss, rel=1e-12)
    torch.testing.assert_close(tiles.gradient, whole.gradient)


def test_a_loss_that_cannot_be_tiled_is_refused_with_tiles() -> None:
    with pytest.raises(UsageError, match="--tile-size"):
        TransferConfig(style_loss="sampled-means", tile_size=64, optimizer="adam")


def test_position_targets_are_computed_anew_at_every_scale(
    tiny_vgg: None, content_path: Path, style_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    position_targets = NearestLoss.position_targets

    def recorded(
        self: NearestLoss,
        styles: list,
        content: LayerFeatures,
        image: LayerFeatures,
        mask: None,
        *,
        separate_layers: bool,
    ) -> LayerFeatures:
        seen.append((content["relu1_1"], image["relu1_1"], separate_layers))
        return position_targets(self, styles, content, image, mask, separate_layers=separate_layers)

    monkeypatch.setattr(NearestLoss, "position_targets", recorded)
    config = TransferConfig(style_loss="nearest", scales=2, init="content", **SMALL)
    stylize(content_path, style_path, config)
    (first_content, first_image, _), (second_content, second_image, _), (_, last_image, _) = seen
    assert [separate_layers for *_, separate_layers in seen] == [False, False, True]
    assert first_content.shape[2:] == (22, 32) and second_content.shape[2:] == (43, 64)
    assert torch.equal(first_content, first_image), "the first scale starts from the content"
    assert second_image.shape == second_content.shape and not torch.equal(second_content, second_image)
    assert last_image.shape == second_image.shape and not torch.equal(last_image, second_image)


def test_lbfgs_refuses_a_loss_that_samples_positions() -> None:
    with pytest.raises(UsageError, match="--optimizer adam"):
        TransferConfig(style_loss="sampled-means", optimizer="lbfgs")


@pytest.mark.parametrize(
    "options",
    [
        {"style_loss": "sampled-means", "optimizer": "adam"},
        {"style_loss": "sampled-means", "optimizer": "adam", "preserve_color": "luminance"},
        {"style_loss": "nearest"},
        {"style_loss": "nearest", "preserve_color": "luminance"},
    ],
)
@pytest.mark.parametrize("stopped_at", [4, 5])
def test_a_resumed_run_ends_bit_for_bit_as_an_uninterrupted_one(
    options: dict[str, str], stopped_at: int, tiny_vgg: None, content_path: Path, style_path: Path, tmp_path: Path
) -> None:
    config = TransferConfig(**SMALL, **options, scales=2)
    whole = stylize(content_path, style_path, config)

    def stop(progress: Progress) -> bool:
        return progress.evaluations >= stopped_at

    path = tmp_path / "run.safetensors"
    stylize(content_path, style_path, config, callback=stop, checkpoint=Checkpoint(path))
    resumed = stylize(content_path, style_path, config, checkpoint=Checkpoint(path))
    assert np.array_equal(resumed.pixels, whole.pixels)


def test_stochastic_losses_differ_from_step_to_step() -> None:
    features = torch.rand(1, 4, 6, 5)
    first, second = (SampledMeans().at_step(step).statistic(features) for step in (1, 2))
    assert not torch.equal(first, second)
    assert torch.equal(first, SampledMeans().at_step(1).statistic(features))


def _environment(tests: Path) -> dict[str, str]:
    import os

    paths = [str(tests), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "COLUMNS": "120"}
