"""By brute force: every feature belongs to one tile, and every tile reads all pixels its features depend on."""

import numpy as np
import pytest

from core.memory.tiling import Tile, Tiling
from core.network.architecture import layers

DEFAULT = ("relu3_2", "relu4_2", "relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
TAPS = [("vgg19", DEFAULT), ("vgg16", DEFAULT), ("vgg19", ("relu3_4", "conv1_1")), ("vgg16", ("pool2",))]
SIZES = [(16, 300), (17, 16), (97, 61), (101, 113), (128, 64), (211, 37), (299, 18)]
SIDES = [16, 33, 64, 400]


def influences(arch: str, side: int) -> dict[str, list[tuple[int, int]]]:
    """For every layer, the first and last pixel that each position along a side of that many pixels depends on."""
    positions = [(pixel, pixel) for pixel in range(side)]
    found = {}
    for layer in layers(arch):
        if layer.kind == "conv":
            padded = [positions[0], *positions, positions[-1]]
            positions = [(padded[i][0], padded[i + 2][1]) for i in range(len(positions))]
        elif layer.kind == "pool":
            positions = [(positions[2 * i][0], positions[2 * i + 1][1]) for i in range(len(positions) // 2)]
        found[layer.name] = positions
        if not positions:
            break
    return found


@pytest.mark.parametrize("strips", [False, True])
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(("arch", "taps"), TAPS)
def test_every_feature_belongs_to_exactly_one_tile(arch: str, taps: tuple[str, ...], side: int, strips: bool) -> None:
    tiling = Tiling.of(arch, taps, side, strips=strips)
    for width, height in SIZES:
        for stride in tiling.strides.values():
            owners = np.zeros((height // stride, width // stride), int)
            shares = 0.0
            for tile in tiling.tiles((width, height)):
                owners[tile.in_image(stride)] += 1
                shares += tile.fraction(stride)
            assert (owners == 1).all()
            assert shares == pytest.approx(1)


@pytest.mark.parametrize("ranks", [2, 3, 8])
@pytest.mark.parametrize("side", [33, 64, 2**31])
def test_every_feature_belongs_to_exactly_one_rank(side: int, ranks: int) -> None:
    tiling = Tiling.of("vgg19", DEFAULT, side, ranks)
    for width, height in [*SIZES, (7, 9), (640, 480)]:
        tiles = [tile for rank in range(ranks) for tile in tiling.tiles_of_rank((width, height), rank)]
        assert len(tiles) >= ranks
        for stride in tiling.strides.values():
            owners = np.zeros((height // stride, width // stride))
            for tile in tiles:
                owners[tile.in_image(stride)] += tile.weight
            assert (owners == 1).all()
            assert stride > min(width, height) or sum(tile.fraction(stride) for tile in tiles) == pytest.approx(1)


def test_ranks_have_similar_amounts_of_work() -> None:
    """With 48 x 36 possible cuts, no rank reads more than 1.5 times the average."""
    for side in (256, 2**31):
        for ranks in range(1, 9):
            tiling = Tiling.of("vgg19", DEFAULT, side, ranks)
            reads = [sum(map(pixels_read, tiling.tiles_of_rank((768, 576), rank))) for rank in range(ranks)]
            assert max(reads) <= 1.5 * sum(reads) / ranks
            assert max(tiling.largest((768, 576))[0]) < side + tiling.step


def pixels_read(tile: Tile) -> int:
    rows, columns = tile.read
    return (rows.stop - rows.start) * (columns.stop - columns.start)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(("arch", "taps"), TAPS)
def test_a_tile_reads_all_pixels_that_its_features_depend_on(arch: str, taps: tuple[str, ...], side: int) -> None:
    tiling = Tiling.of(arch, taps, side)
    for length in {length for size in SIZES for length in size}:
        depends_on = influences(arch, length)
        for tile in tiling.tiles((length, 16)):
            columns = tile.columns
            assert columns.read_start % tiling.step == 0  # where pooling windows start
            for tap, stride in tiling.strides.items():
                owned = depends_on[tap][columns.in_image(stride)]
                assert owned[0][0] >= columns.read_start
                assert owned[-1][1] < columns.read_stop


@pytest.mark.parametrize(("arch", "taps"), TAPS)
def test_the_halo_is_the_smallest_multiple_of_the_step(arch: str, taps: tuple[str, ...]) -> None:
    tiling = Tiling.of(arch, taps, 64)
    deepest = next(layer.name for layer in reversed(layers(arch)) if layer.name in taps)
    middle = 5 * tiling.halo // tiling.strides[deepest]
    first, last = influences(arch, 10 * tiling.halo + tiling.step)[deepest][middle]
    needed = max(5 * tiling.halo - first, last - 5 * tiling.halo - tiling.strides[deepest] + 1)
    assert needed <= tiling.halo < needed + tiling.step


def test_the_halo_of_the_default_layers() -> None:
    """70 pixels, by counting: 2 convolutions at stride 1, 2 at 2, 4 at 4, 4 at 8, 1 at 16."""
    assert Tiling.of("vgg19", DEFAULT, 64).halo == 80


@pytest.mark.parametrize("side", SIDES)
def test_positions_in_the_tile_and_in_the_image_agree(side: int) -> None:
    tiling = Tiling.of("vgg19", DEFAULT, side)
    for size in SIZES:
        for tile in tiling.tiles(size):
            for stride in tiling.strides.values():
                positions = zip(tile.read, tile.without_halo(stride), tile.in_image(stride), strict=True)
                for read, inner, in_image in positions:
                    assert inner.start + read.start // stride == in_image.start
                    assert inner.stop + read.start // stride == in_image.stop
                    assert 0 <= inner.start <= inner.stop <= (read.stop - read.start) // stride


def test_tiles_have_similar_sizes_within_the_limit() -> None:
    tiling = Tiling.of("vgg19", DEFAULT, 64)
    for length in range(16, 300):
        owned = [tile.columns.stop - tile.columns.start for tile in tiling.tiles((length, 16))]
        assert max(owned[:-1], default=0) <= 64
        assert owned[-1] < 64 + tiling.step
        assert max(owned) - min(owned) < 2 * tiling.step


def test_strips_are_as_wide_as_the_image() -> None:
    tiling = Tiling.of("vgg19", DEFAULT, 64, strips=True)
    assert tiling.grid((211, 300)) == (1, 5)
    tiles = tiling.tiles((211, 300))
    assert all(tile.read[1] == slice(0, 211) for tile in tiles)
    assert [tile.rows.start for tile in tiles] == [
        row.start for row, _, _ in Tiling.of("vgg19", DEFAULT, 64).tiles((16, 300))
    ]


def test_a_tile_larger_than_the_image_is_the_whole_image() -> None:
    (tile,) = Tiling.of("vgg19", DEFAULT, 400).tiles((97, 61))
    assert tile.read == (slice(0, 61), slice(0, 97))


def test_grid_and_largest_agree_with_the_tiles() -> None:
    tiling = Tiling.of("vgg19", DEFAULT, 48)
    for size in SIZES:
        tiles = tiling.tiles(size)
        columns, rows = tiling.grid(size)
        assert columns * rows == len(tiles)
        assert len({tile.columns for tile in tiles}) == columns
        read = max((stop.stop - stop.start) for tile in tiles for stop in tile.read[1:])
        assert tiling.largest(size)[1][0] == read
        assert tiling.largest(size)[0][1] == max(tile.rows.stop - tile.rows.start for tile in tiles)
