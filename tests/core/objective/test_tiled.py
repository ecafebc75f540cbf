"""In tiles, the targets, losses and gradients are those of the whole image, at any size."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from core.config.transfer_config import TransferConfig
from core.memory.allocator import ActivationBufferPool, MemoryPolicy
from core.memory.tiling import Tiling
from core.network.fused import FusedVGG
from core.network.vgg import VGGFeatures
from core.objective.reference import ReferenceObjective
from core.objective.targets import compute_targets
from core.objective.tiled import TiledObjective
from core.objective.tiled_extractor import TiledFeatureExtractor
from core.objective.types import Targets
from core.objective.weights import LossWeights
from core.styles import StyleExemplar
from support.networks import CPU, SHALLOW, network, random_image, relative_error

pytestmark = pytest.mark.usefixtures("tiny_vgg")

LIMITS = {"gram": 1e-12, "moments": 1e-12, "nearest": 1e-12, "wasserstein": 1e-11}
"""For relative differences in float64. The last loss has roots, steep near 0, which magnify rounding."""


def tiled(extractor: VGGFeatures, side: int) -> TiledFeatureExtractor:
    return TiledFeatureExtractor(extractor, Tiling.of(extractor.arch, extractor.taps, side), CPU)


def whole(extractor: VGGFeatures) -> TiledFeatureExtractor:
    return TiledFeatureExtractor.whole(extractor, extractor.arch, extractor.taps)


def exemplars(style: Tensor) -> list[StyleExemplar]:
    return [StyleExemplar((style,))]


def assert_same_objective(
    config: TransferConfig,
    size: tuple[int, int],
    side: int,
    *,
    dtype: torch.dtype = torch.float64,
    limit: float | None = None,
    styles: Sequence[StyleExemplar] | None = None,
) -> None:
    limit = limit or LIMITS[config.style_loss]
    extractor, weights = network(config, dtype), LossWeights.of(config, 57.6)
    styles = exemplars(random_image(2, 75, 58).square().to(dtype)) if styles is None else styles
    content, image = random_image(1, *size).to(dtype), random_image(3, *size).to(dtype)
    expected = ReferenceObjective(extractor, compute_targets(whole(extractor), content, styles, weights), weights)(
        image
    )
    tiles = tiled(extractor, side)
    found = TiledObjective(tiles, compute_targets(tiles, content, styles, weights), weights)(image)
    assert found.loss == pytest.approx(expected.loss, rel=limit)
    assert dict(found.parts) == pytest.approx(dict(expected.parts), rel=limit)
    assert relative_error(found.gradient, expected.gradient) <= limit


@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("style_loss", ["gram", "moments", "wasserstein"])
def test_the_gradient_with_tiles_away_from_the_border(style_loss: str, pooling: str) -> None:
    config = TransferConfig(**SHALLOW, style_loss=style_loss, pooling=pooling, tv_weight=3)
    assert_same_objective(config, (67, 53), 16)


def test_the_gradient_with_strips() -> None:
    config, (width, height) = TransferConfig(**SHALLOW, tv_weight=3), (53, 67)
    extractor, weights = FusedVGG(network(config), torch.float64), LossWeights.of(config, 57.6)
    content, style, image = random_image(1, width, height), random_image(2, 75, 58), random_image(3, width, height)
    untiled = TiledFeatureExtractor.whole(extractor, "vgg19", extractor.taps)
    strips = TiledFeatureExtractor(extractor, Tiling.of("vgg19", extractor.taps, 16, strips=True), CPU)
    assert len(strips.tiles(image)) == 4
    expected, found = (
        TiledObjective(tiles, compute_targets(tiles, content, exemplars(style), weights), weights)(image)
        for tiles in (untiled, strips)
    )
    assert found.loss == pytest.approx(expected.loss, rel=1e-12)
    assert relative_error(found.gradient, expected.gradient) <= 1e-12


@pytest.mark.parametrize(
    ("size", "side"),
    [((16, 16), 16), ((209, 17), 48), ((19, 223), 64), ((47, 31), 400)],
    ids=["one tile", "thin", "upright", "a tile larger than the image"],
)
def test_the_gradient_through_the_default_layers(size: tuple[int, int], side: int) -> None:
    assert_same_objective(TransferConfig(tv_weight=1), size, side)


@pytest.mark.parametrize(
    "layers",
    [
        {"content_layers": "conv1_1", "style_layers": "conv1_1"},
        {"content_layers": "relu1_2", "style_layers": "pool1,conv2_2", "style_weight": "0,5"},
        {"content_layers": "pool2,relu1_1", "content_weight": "2,3", "style_layers": "conv3_4"},
    ],
)
@pytest.mark.parametrize("size", [(37, 41), (40, 33)])
def test_any_layers_and_weights(layers: dict[str, str], size: tuple[int, int]) -> None:
    assert_same_objective(TransferConfig(**layers), size, 16)


class Counted:
    """An extractor that counts its calls."""

    def __init__(self, extractor: VGGFeatures) -> None:
        self.extractor, self.times = extractor, 0

    def __call__(self, image: Tensor) -> dict[str, Tensor]:
        self.times += 1
        return self.extractor(image)


def test_cached_tiles_are_computed_once_and_give_the_same_result() -> None:
    config, size = TransferConfig(**SHALLOW, tv_weight=3), (67, 53)
    extractor, weights = network(config), LossWeights.of(config, 57.6)
    tiling, counted = Tiling.of("vgg19", extractor.taps, 16), Counted(extractor)
    tiles = TiledFeatureExtractor(counted, tiling, CPU)
    targets = compute_targets(tiles, random_image(1, *size), exemplars(random_image(2, 75, 58)), weights)
    image, number = random_image(3, *size), len(tiling.tiles(size))
    assert number > 5
    plain = TiledObjective(tiles, targets, weights)(image)
    for cached in (1, 5, number, number + 1):
        counted.times = 0
        found = TiledObjective(tiles, targets, weights, MemoryPolicy(cached_tiles=cached))(image)
        assert counted.times == number + max(0, number - cached)
        assert found.loss == plain.loss
        assert torch.equal(found.gradient, plain.gradient)


@pytest.mark.parametrize("checkpoint_first_block", [False, True])
def test_buffers_give_the_same_result(checkpoint_first_block: bool) -> None:
    """Even where the buffers of a tile are used again by other tiles and evaluations."""
    config, size = TransferConfig(**SHALLOW), (67, 53)
    extractor, weights = FusedVGG(network(config, torch.float32), torch.bfloat16), LossWeights.of(config, 57.6)
    tiles = TiledFeatureExtractor(extractor, Tiling.of("vgg19", extractor.taps, 16), CPU)
    targets = compute_targets(
        tiles, random_image(1, *size).float(), exemplars(random_image(2, 75, 58).float()), weights
    )
    plain = TiledObjective(tiles, targets, weights)
    for cached in (0, 3, 100):
        policy = MemoryPolicy(cached, checkpoint_first_block, buffers=ActivationBufferPool())
        found = TiledObjective(tiles, targets, weights, policy)
        for seed in (3, 4):
            image = random_image(seed, *size).float()
            assert found(image).loss == plain(image).loss
            assert torch.equal(found(image).gradient, plain(image).gradient)


def test_vgg16() -> None:
    assert_same_objective(TransferConfig(arch="vgg16", tv_weight=1), (211, 18), 48)


def test_content_or_style_without_weight() -> None:
    for options in ({"content_weight": 0}, {"style_weight": 0}, {"content_weight": 0, "style_weight": 0}):
        assert_same_objective(TransferConfig(**(SHALLOW | options), tv_weight=1), (45, 38), 16)


@pytest.mark.parametrize("style_loss", ["gram", "moments", "wasserstein", "nearest"])
def test_styles_with_weights_and_regions(style_loss: str) -> None:
    ramp = torch.linspace(0, 1, 67, dtype=torch.float64).expand(1, 1, 53, 67)
    styles = (
        StyleExemplar((random_image(4, 40, 50), random_image(5, 61, 33)), 0.7),
        StyleExemplar((random_image(6, 45, 45).square(),), 1.5, ramp),
        StyleExemplar((random_image(7, 30, 70).sqrt(),), 0.3, 1 - ramp),
    )
    assert_same_objective(TransferConfig(**SHALLOW, style_loss=style_loss), (67, 53), 16, styles=styles)


@pytest.mark.parametrize("style_loss", ["gram", "moments", "wasserstein", "nearest"])
def test_float32_agrees_to_its_precision(style_loss: str) -> None:
    config = TransferConfig(style_loss=style_loss)
    assert_same_objective(config, (200, 50), 64, dtype=torch.float32, limit=1e-5)


def test_targets_equal_those_of_whole_images() -> None:
    config = TransferConfig(**SHALLOW, style_loss="wasserstein")
    extractor, weights = network(config), LossWeights.of(config, 57.6)
    content, style = random_image(1, 67, 53), random_image(2, 90, 41)
    expected = compute_targets(whole(extractor), content, exemplars(style), weights)
    found = compute_targets(tiled(extractor, 16), content, exemplars(style), weights)
    assert found.content.keys() == expected.content.keys()
    for name, value in tensors(expected).items():
        # The square root of a covariance magnifies rounding errors where the variance is small.
        assert relative_error(tensors(found)[name], value) < 1e-7, name


def tensors(targets: Targets) -> dict[str, Tensor]:
    (style,) = targets.styles
    return {f"content {k}": v for k, v in targets.content.items()} | {
        f"style {k}": v for k, v in style.statistics.items()
    }


def test_at_most_one_tile_with_its_halo_is_read_at_a_time() -> None:
    config, seen = TransferConfig(**SHALLOW), list[int]()
    extractor, weights = network(config, torch.float32), LossWeights.of(config, 57.6)

    def watched(pixels: Tensor) -> dict[str, Tensor]:
        seen.append(pixels.shape[2] * pixels.shape[3])
        return extractor(pixels)

    tiles = TiledFeatureExtractor(watched, Tiling.of("vgg19", extractor.taps, 16), CPU)
    image = random_image(1, 90, 75).float()
    targets = compute_targets(tiles, image, exemplars(image.square()), weights)
    objective = TiledObjective(tiles, targets, weights)
    objective(image)
    _, (width, height) = tiles.tiling.largest((90, 75))
    assert max(seen) == width * height < 90 * 75
    assert len(seen) == 4 * len(tiles.tiles(image))  # both targets, both passes
