"""How a picture is cut into tiles: what each owns, and what it reads around that. Without PyTorch.

A tile owns a rectangle of the picture, and of the features at every layer those that lie there. It reads a halo as
well, so deep that all the features it owns come out as in the whole picture: zeros are padded where the picture ends,
and nowhere else. Whatever is cut starts on a multiple of the network's total stride, where pooling windows start.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import NamedTuple, Self

from core.network.architecture import canonical_layer_name, truncated

Slices = tuple[slice, slice]
"""Rows and columns."""


class Segment(NamedTuple):
    """A part of a side of the picture, in pixels: what a tile owns, inside what it reads, inside the whole side."""

    start: int
    stop: int
    read_start: int
    read_stop: int
    side: int

    @property
    def length_read(self) -> int:
        """How many pixels the tile reads along the side."""
        return self.read_stop - self.read_start

    def placed(self, stride: int) -> slice:
        """Where the features it owns, at a layer of that stride, lie among those of the picture."""
        return slice(self.start // stride, self.stop // stride)

    def owned(self, stride: int) -> slice:
        """Where they lie among the features of what the tile reads."""
        first = self.read_start // stride
        return slice(self.start // stride - first, self.stop // stride - first)

    def share(self, stride: int) -> float:
        """Which part of all features along the side it owns."""
        return (self.stop // stride - self.start // stride) / (self.side // stride)


class Tile(NamedTuple):
    """A rectangle of the picture. One without `weight` counts for nothing: only its shapes are wanted."""

    rows: Segment
    columns: Segment
    weight: float = 1.0

    @property
    def pixels_read(self) -> int:
        """How many pixels it reads."""
        return self.rows.length_read * self.columns.length_read

    @property
    def read(self) -> Slices:
        """The pixels it reads."""
        return slice(*self.rows[2:4]), slice(*self.columns[2:4])

    def placed(self, stride: int) -> Slices:
        """Where the features it owns, at a layer of that stride, lie among those of the picture."""
        return self.rows.placed(stride), self.columns.placed(stride)

    def owned(self, stride: int) -> Slices:
        """Where they lie among the features of what it reads."""
        return self.rows.owned(stride), self.columns.owned(stride)

    def share(self, stride: int) -> float:
        """Which part of all positions at that layer it owns."""
        return self.weight * self.rows.share(stride) * self.columns.share(stride)


@dataclass(frozen=True)
class Tiling:
    """How pictures are cut for some layers of a network, sizes in pixels.

    `strides` are those of the layers, by name. Cuts lie on multiples of `step`. A tile owns at most `side` a side, or
    `step`, and the last one of a row or column what division leaves over as well; it reads at most `halo` more at
    each end. Tiles that are `strips` are as wide as the picture. Where several `processes` share a picture, it is cut
    so that the busiest of them has the least to read.
    """

    strides: Mapping[str, int]
    step: int
    halo: int
    side: int
    processes: int = 1
    strips: bool = False

    @classmethod
    def of(cls, arch: str, taps: Sequence[str], side: int, processes: int = 1, *, strips: bool = False) -> Self:
        """The tiling with tiles of `side` for `taps` of `arch`, for as many `processes`.

        Each 3x3 convolution reads one of its own input's positions further; the halo is the sum of these up to the
        deepest tap, rounded up to the next cut.

        Raises:
            UsageError: There is no such architecture or layer, or none is named.
        """
        plan = truncated(arch, taps)
        wanted = {canonical_layer_name(tap, arch) for tap in taps}
        strides = {layer.name: layer.stride for layer in plan if layer.name in wanted}
        step = plan[-1].stride
        reach = sum(layer.stride for layer in plan if layer.kind == "conv")
        return cls(strides, step, -(-reach // step) * step, side, processes, strips)

    def tiles(self, size: tuple[int, int]) -> tuple[Tile, ...]:
        """The tiles of a picture (width, height), row by row: together they own every feature exactly once."""
        columns, rows = self._cut(size)
        return tuple(Tile(row, column) for row in rows for column in columns)

    def share(self, size: tuple[int, int], rank: int) -> tuple[Tile, ...]:
        """Those of the tiles that are for the process of that rank, from 0; together the processes have each once.

        Where a picture is too small for that, it is a tile without weight, for all processes add up the same shapes.
        """
        tiles = self.tiles(size)
        return tiles[rank :: self.processes] or (tiles[0]._replace(weight=0.0),)

    def grid(self, size: tuple[int, int]) -> tuple[int, int]:
        """How many tiles lie side by side, and on top of each other."""
        columns, rows = self._cut(size)
        return len(columns), len(rows)

    def largest(self, size: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
        """Width and height of the most that a tile owns, and of the most that one reads."""
        sides = self._cut(size)
        width, height = (max(part.stop - part.start for part in parts) for parts in sides)
        return (width, height), (_longest_read(sides[0]), _longest_read(sides[1]))

    def _cut(self, size: tuple[int, int]) -> tuple[list[Segment], list[Segment]]:
        """The columns and the rows: the fewest that are short enough, or more to keep all processes busy."""
        width, height = size
        across = [self._segments(width, 1)] if self.strips else self._ways(width)
        sides = [[(_longest_read(parts), parts) for parts in ways] for ways in (across, self._ways(height))]
        (_, columns), (_, rows) = min(product(*sides), key=self._delay)
        return columns, rows

    def _delay(self, way: Sequence[tuple[int, list[Segment]]]) -> tuple[int, int]:
        """How many processes have no tile, and how many pixels the busiest one reads, at the most."""
        (width, columns), (height, rows) = way
        tiles = len(columns) * len(rows)
        return max(0, self.processes - tiles), -(-tiles // self.processes) * width * height

    def _ways(self, side: int) -> list[list[Segment]]:
        """How a side may be cut: for one process into the fewest parts, for several into up to one more for each."""
        steps = max(1, side // self.step)
        fewest = -(-steps // max(1, self.side // self.step))
        most = min(steps, fewest + self.processes - 1)
        return [self._segments(side, count) for count in range(fewest, most + 1)]

    def _segments(self, side: int, count: int) -> list[Segment]:
        """Parts of about equal length, for the longest one takes the most memory."""
        steps = max(1, side // self.step)
        cuts = [self.step * (number * steps // count) for number in range(count)] + [side]
        return [
            Segment(start, stop, max(0, start - self.halo), min(side, stop + self.halo), side)
            for start, stop in pairwise(cuts)
        ]


def _longest_read(parts: Sequence[Segment]) -> int:
    return max(part.length_read for part in parts)
