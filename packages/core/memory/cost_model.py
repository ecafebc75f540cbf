"""What a way of computing a picture takes, in bytes and in work. Without PyTorch."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from core.memory.tiling import Tiling
from core.network.architecture import truncated
from core.network.dtypes import VALUE_BYTES

if TYPE_CHECKING:
    from core.arrays import Size
    from core.config.transfer_config import TransferConfig

RUNTIME_MEMORY = 880 * 2**20
"""What PyTorch, the weights and what their convolutions work on take, in bytes."""

UNCUT = 2**31
"""A side that no picture exceeds: tiles of it are cut for other reasons than memory."""

FIRST_BLOCK_WORK = 0.2
"""Of a pass forward, what the layers before the first pooling take: a tenth of the arithmetic, but many bytes."""


@dataclass(frozen=True)
class ExecutionStrategy:
    """How pictures of a size are computed: in tiles of a side or `strips` of a height, 0 for whole, by `processes`."""

    size: "Size"
    config: "TransferConfig"
    tile_size: int
    precision: str = "fp32"
    processes: int = 1
    checkpoint_first_block: bool = False
    strips: bool = False

    def memory(self, style_size: "Size") -> int:
        """About how many bytes the network takes for the gradient, or for the features of a style of that size.

        That is what a tile keeps, with what it computes again, and five times the largest layer for the gradient that
        passes: glibc does not reuse the place of one such block for the next. A square's features at the taps are
        beside it while it is measured, for where squares are needed not all of them are kept.
        """
        each, largest, _, first_block, tapped = self._layers
        _, read = self._largest(self.size)
        measured = tapped if self.tile_size and not self.strips else 0
        gradient = (
            self._kept_memory + (5 * each * largest + first_block * self.checkpoint_first_block + measured) * read
        )
        return math.ceil(max(gradient, (tapped + 3 * each * largest) * self._largest(style_size)[1]))

    def max_cached_tiles(self, left: float) -> tuple[int, int]:
        """For how many tiles of a process the bytes `left` over can keep what they compute, and the bytes they take.

        One tile has it anyway, while it is worked on; without room for all others that one is needed for the rest.
        """
        columns, rows = self._tiling.grid(self.size)
        tiles = -(-columns * rows // self.processes)
        each = math.ceil(self._kept_memory)
        room = tiles - 1 if left >= (tiles - 1) * each else int(left // each)
        return (tiles if room == tiles - 1 else room), room * each

    def work(self, kept: int) -> float:
        """How much there is to compute, with halos and what tiles compute again, of that for the picture at once.

        Each process keeps so many tiles. Forward takes as much as back.
        """
        tiles = self._tiling.tiles(self.size)
        again = max(0.0, 1 - kept * self.processes / len(tiles)) + self.checkpoint_first_block * FIRST_BLOCK_WORK
        return (1 + again / 2) * sum(tile.pixels_read for tile in tiles) / math.prod(self.size)

    @cached_property
    def _kept_memory(self) -> float:
        """About how many bytes the largest tile keeps until the gradient has passed.

        Every ReLU keeps its output; in an exported module autograd keeps also what pooling gives, and where maxima were
        in 8 bytes, and the gradients of all layers that are compared begin at once, as in float16. Sorting projections
        takes the style layers twice, in float32.
        """
        each, _, kept, first_block, tapped = self._layers
        kept -= first_block * self.checkpoint_first_block
        owned, read = self._largest(self.size)
        at_once = bool(self.config.extractor) or self.precision == "fp16"
        return kept * read + tapped * (4 // each) * (2 * (not self.config.tileable) + at_once) * owned

    @cached_property
    def _layers(self) -> tuple[int, float, float, float, float]:
        """The bytes of a number; for each pixel the numbers of the largest layer, bytes kept in all, up to the first
        pooling, and of the taps."""
        each = VALUE_BYTES[self.precision]
        taps = (*self.config.content_layers, *self.config.style_layers)
        pooled = each + 8 * (self.config.pooling == "max") if self.config.extractor else 0
        kept = first_block = largest = tapped = 0.0
        for layer in truncated(self.config.arch, taps):
            values = layer.out_channels / layer.stride**2
            largest = max(largest, values)
            here = {"conv": 0, "relu": each, "pool": pooled}[layer.kind] * values
            kept += here
            first_block += here * (layer.stride == 1)
            tapped += each * values if layer.name in taps else 0
        return each, largest, kept, first_block, tapped

    @cached_property
    def _tiling(self) -> Tiling:
        return tiling_of(self.config, self.tile_size, self.processes, strips=self.strips)

    def _largest(self, size: "Size") -> tuple[int, int]:
        """The most pixels of a picture that a tile owns, and that one reads."""
        owned, read = map(math.prod, self._tiling.largest(size))
        return owned, read


def tiling_of(config: "TransferConfig", tile_size: int, processes: int, *, strips: bool) -> Tiling:
    """Tiles of that side, or `strips` of that height, 0 for none but those of the `processes` that share a picture."""
    taps = (*config.content_layers, *config.style_layers)
    return Tiling.of(config.arch, taps, tile_size or UNCUT, processes, strips=strips)


def state_memory(size: "Size", config: "TransferConfig", history: int) -> int:
    """About how many bytes the optimiser takes with its pictures, and the features of the content."""
    pictures = 3 * (2 * history + 12 if config.optimizer == "lbfgs" else 12)
    features = sum(
        layer.out_channels / layer.stride**2
        for layer in truncated(config.arch, config.content_layers)
        if layer.name in config.content_layers
    )
    return math.ceil(4 * (pictures + features) * math.prod(size))
