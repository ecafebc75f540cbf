"""Features of images that are read in tiles are those of the whole image."""

from dataclasses import replace

import pytest
import torch

from core.config.transfer_config import TransferConfig
from core.distributed import ProcessGroup
from core.memory.tiling import Tiling
from core.network.fused import FusedVGG
from core.network.vgg import VGGFeatures
from core.objective.targets import compute_targets
from core.objective.tiled_extractor import TiledFeatureExtractor
from core.objective.types import Region
from core.objective.weights import LossWeights
from core.styles import StyleExemplar
from support.networks import CPU, SHALLOW, network, random_image, relative_error

pytestmark = pytest.mark.usefixtures("tiny_vgg")

TAPS = ("relu1_1", "relu2_1", "relu3_1")
SIZES = [(67, 53), (16, 16), (130, 19)]


@pytest.fixture
def extractor(tiny_vgg: None) -> VGGFeatures:
    return network(TransferConfig(**SHALLOW))


def tiled(extractor: VGGFeatures, world_size: int = 1) -> TiledFeatureExtractor:
    return TiledFeatureExtractor(extractor, Tiling.of("vgg19", TAPS, 16, world_size), CPU)


@pytest.mark.parametrize("size", SIZES)
def test_features_of_tiles_are_those_of_the_image(size: tuple[int, int], extractor: VGGFeatures) -> None:
    image, tiles = random_image(1, *size), tiled(extractor)
    whole = extractor(image)
    assert tiles.sizes(image) == {tap: tuple(features.shape[2:]) for tap, features in whole.items()}
    found = tiles.of_image(image, TAPS)
    assert set(found) == set(TAPS)
    assert all(relative_error(found[tap], whole[tap]) < 1e-14 for tap in TAPS)
    for tile in tiles.tiles(image):
        selected = tiles.select(whole, tile)
        for tap, features in tiles.of_tile(image, tile).items():
            assert relative_error(features, selected[tap]) < 1e-14


def test_only_the_wanted_taps_are_stored(extractor: VGGFeatures) -> None:
    found = tiled(extractor).of_image(random_image(1, 40, 33), ["relu2_1"])
    assert {tap: tuple(features.shape) for tap, features in found.items()} == {"relu2_1": (1, 8, 16, 20)}


def test_ranks_share_the_tiles(extractor: VGGFeatures) -> None:
    image, tiles = random_image(1, 67, 53), tiled(extractor, world_size=3)
    shares = [set(replace(tiles, group=ProcessGroup(rank, 3)).tiles(image)) for rank in range(3)]
    assert set.union(*shares) == set(tiles.tiling.tiles((67, 53)))
    assert sum(map(len, shares)) == len(tiles.tiling.tiles((67, 53)))


def test_an_extractor_of_whole_images_has_one_tile_without_halo(extractor: VGGFeatures) -> None:
    image, whole = random_image(1, 67, 53), TiledFeatureExtractor.whole(extractor, "vgg19", TAPS)
    (tile,) = whole.tiles(image)
    assert torch.equal(whole.read(image, tile), image)
    assert all(torch.equal(features, extractor(image)[tap]) for tap, features in whole.of_tile(image, tile).items())


def test_regions_are_selected_with_their_masks_and_targets(extractor: VGGFeatures) -> None:
    image, tiles = random_image(1, 67, 53), tiled(extractor)
    masks = {tap: random_image(2, *reversed(size))[:, :1] for tap, size in tiles.sizes(image).items()}
    regions = [Region(), Region(masks), Region(masks, extractor(image))]
    tile = tiles.tiles(image)[-1]
    whole, masked, both = tiles.select_regions(regions, tile)
    assert (whole.masks, whole.targets, masked.targets) == (None, None, None)
    for tap, features in tiles.of_tile(image, tile).items():
        rows, columns = features.shape[2:]
        assert torch.equal(masked.mask(tap), masks[tap][..., -rows:, -columns:])  # the last tile is at the lower right
        assert torch.equal(both.mask(tap), masked.mask(tap))
        assert relative_error(both.target(tap), features) < 1e-14


def test_content_features_have_the_layout_of_evaluations() -> None:
    config, image = TransferConfig(**SHALLOW), random_image(1, 67, 53).float()
    plain = network(config, torch.float32)
    tiling = Tiling.of("vgg19", plain.taps, 16)
    for extractor, layout in (
        (plain, torch.contiguous_format),
        (FusedVGG(plain, torch.float32), torch.channels_last),
    ):
        features, weights = TiledFeatureExtractor(extractor, tiling, CPU), LossWeights.of(config, 57.6)
        found = compute_targets(features, image, [StyleExemplar((image,))], weights)
        assert found.content["relu3_1"].is_contiguous(memory_format=layout)
