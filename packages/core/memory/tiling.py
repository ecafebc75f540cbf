"""Divide images into tiles, each read with a halo. Without PyTorch.

A tile is a rectangle of the image, and at every layer the rectangle of features that corresponds to it. It is read with
a halo that is deep enough for its features to be the same as in the whole image: zeros are padded only at the border of
the image. All cuts are on multiples of the total stride of the network, where pooling windows start.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import NamedTuple, Self

from core.network.architecture import canonical_layer_name, truncated

Slices = tuple[slice, slice]
"""Rows and columns."""


class Segment(NamedTuple):
    """The extent of a tile along one side of the image, in pixels: without halo, with halo, and the whole side."""

    start: int
    stop: int
    read_start: int
    read_stop: int
    side: int

    @property
    def length_read(self) -> int:
        """The length in pixels, with halo."""
        return self.read_stop - self.read_start

    def in_image(self, stride: int) -> slice:
        """Return the positions of the tile among the features of the image, at a layer of that stride."""
        return slice(self.start // stride, self.stop // stride)

    def without_halo(self, stride: int) -> slice:
        """Return the positions of the tile without halo among the features of the tile with halo."""
        first = self.read_start // stride
        return slice(self.start // stride - first, self.stop // stride - first)

    def fraction(self, stride: int) -> float:
        """Return the fraction of the features along the side that the tile contains."""
        return (self.stop // stride - self.start // stride) / (self.side // stride)


class Tile(NamedTuple):
    """A rectangle of the image. With `weight` 0 it contributes nothing: only the shapes of its results are used."""

    rows: Segment
    columns: Segment
    weight: float = 1.0

    @property
    def pixels_read(self) -> int:
        """The number of pixels, with halo."""
        return self.rows.length_read * self.columns.length_read

    @property
    def read(self) -> Slices:
        """The pixels of the image that the tile reads, with halo."""
        return slice(*self.rows[2:4]), slice(*self.columns[2:4])

    def in_image(self, stride: int) -> Slices:
        """Return the positions of the tile among the features of the image, at a layer of that stride."""
        return self.rows.in_image(stride), self.columns.in_image(stride)

    def without_halo(self, stride: int) -> Slices:
        """Return the positions of the tile without halo among the features of the tile with halo."""
        return self.rows.without_halo(stride), self.columns.without_halo(stride)

    def fraction(self, stride: int) -> float:
        """Return the weighted fraction of the positions of that layer that the tile contains."""
        return self.weight * self.rows.fraction(stride) * self.columns.fraction(stride)


@dataclass(frozen=True)
class Tiling:
    """How images are divided for some layers of a network.

    Attributes:
        strides: The strides of the layers, by name.
        step: Cuts are on multiples of this, in pixels.
        halo: How many pixels a tile reads beyond each of its sides, at most.
        side: The largest side of a tile in pixels, but at least `step`; the last tile of a row or column also contains
            the remainder of the division.
        world_size: The number of ranks that share the tiles. Images are divided so that the rank with the most work
            reads the fewest pixels.
        strips: Whether tiles are as wide as the image.
    """

    strides: Mapping[str, int]
    step: int
    halo: int
    side: int
    world_size: int = 1
    strips: bool = False

    @classmethod
    def of(cls, arch: str, taps: Sequence[str], side: int, world_size: int = 1, *, strips: bool = False) -> Self:
        """Return the tiling for `taps` of the architecture `arch`.

        Each 3x3 convolution reads one position of its own input beyond its output. The halo is the sum of these
        positions in pixels, up to the deepest tap, rounded up to a multiple of `step`.

        Raises:
            UsageError: There is no such architecture or layer, or `taps` is empty.
        """
        plan = truncated(arch, taps)
        wanted = {canonical_layer_name(tap, arch) for tap in taps}
        strides = {layer.name: layer.stride for layer in plan if layer.name in wanted}
        step = plan[-1].stride
        reach = sum(layer.stride for layer in plan if layer.kind == "conv")
        return cls(strides, step, -(-reach // step) * step, side, world_size, strips)

    def tiles(self, size: tuple[int, int]) -> tuple[Tile, ...]:
        """Return the tiles of an image (width, height), row by row; every feature belongs to exactly one of them."""
        columns, rows = self._divide(size)
        return tuple(Tile(row, column) for row in rows for column in columns)

    def tiles_of_rank(self, size: tuple[int, int], rank: int) -> tuple[Tile, ...]:
        """Return the tiles of one rank, counted from 0; every tile belongs to exactly one rank.

        If there are fewer tiles than ranks, the rank gets a tile of weight 0, for all ranks must reduce tensors of the
        same shapes.
        """
        tiles = self.tiles(size)
        return tiles[rank :: self.world_size] or (tiles[0]._replace(weight=0.0),)

    def grid(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the numbers of columns and rows of tiles."""
        columns, rows = self._divide(size)
        return len(columns), len(rows)

    def largest(self, size: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return width and height of the largest tile, without and with halo."""
        sides = self._divide(size)
        width, height = (max(part.stop - part.start for part in parts) for parts in sides)
        return (width, height), (_longest_read(sides[0]), _longest_read(sides[1]))

    def _divide(self, size: tuple[int, int]) -> tuple[list[Segment], list[Segment]]:
        """Return the columns and the rows: the fewest that are small enough, or more to give every rank a tile."""
        width, height = size
        across = [self._segments(width, 1)] if self.strips else self._candidates(width)
        sides = [[(_longest_read(parts), parts) for parts in cuts] for cuts in (across, self._candidates(height))]
        (_, columns), (_, rows) = min(product(*sides), key=self._cost)
        return columns, rows

    def _cost(self, cut: Sequence[tuple[int, list[Segment]]]) -> tuple[int, int]:
        """Return the number of ranks without a tile, and an upper bound of the pixels that one rank reads."""
        (width, columns), (height, rows) = cut
        tiles = len(columns) * len(rows)
        return max(0, self.world_size - tiles), -(-tiles // self.world_size) * width * height

    def _candidates(self, side: int) -> list[list[Segment]]:
        """Return the divisions of a side to choose from: into the fewest segments, or up to one more for each rank."""
        steps = max(1, side // self.step)
        fewest = -(-steps // max(1, self.side // self.step))
        most = min(steps, fewest + self.world_size - 1)
        return [self._segments(side, count) for count in range(fewest, most + 1)]

    def _segments(self, side: int, count: int) -> list[Segment]:
        """Divide a side into segments of about equal length: the longest one takes the most memory."""
        steps = max(1, side // self.step)
        cuts = [self.step * (number * steps // count) for number in range(count)] + [side]
        return [
            Segment(start, stop, max(0, start - self.halo), min(side, stop + self.halo), side)
            for start, stop in pairwise(cuts)
        ]


def _longest_read(parts: Sequence[Segment]) -> int:
    return max(part.length_read for part in parts)
