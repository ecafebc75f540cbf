"""Memory and work of evaluating an image in one particular way. Without PyTorch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from core.config.style_losses import style_loss_spec
from core.memory.matching import matching_memory
from core.memory.tiling import Tiling
from core.network.architecture import truncated
from core.network.dtypes import VALUE_BYTES

if TYPE_CHECKING:
    from core.arrays import Size
    from core.config.transfer_config import TransferConfig

RUNTIME_MEMORY = 880 * 2**20
"""Bytes of PyTorch, the network weights and the scratch memory of convolutions."""

UNLIMITED = 2**31
"""A tile side that no image exceeds."""

FIRST_BLOCK_WORK = 0.2
"""The share of a forward pass that the layers before the first pooling take: a tenth of the arithmetic, but many
bytes."""


@dataclass(frozen=True)
class ExecutionStrategy:
    """One way of evaluating images of a size: tile (or strip) size, 0 for the whole image, and number of ranks."""

    size: "Size"
    config: "TransferConfig"
    tile_size: int
    precision: str = "fp32"
    world_size: int = 1
    checkpoint_first_block: bool = False
    strips: bool = False

    def memory(self, style_size: "Size") -> int:
        """Return the estimated bytes of the network for the gradient, or for the features of a style image.

        Saved activations, recomputed activations, and five times the largest layer for temporary gradients: glibc does
        not use the space of one large block for the next. The features of a square tile at the taps exist a second time
        while statistics are computed, for where square tiles are needed not all activations are saved.
        """
        each, largest, _, first_block, tapped = self._layers
        _, read = self._largest(self.size)
        copied = tapped if self.tile_size and not self.strips else 0
        gradient = self._saved_memory + (5 * each * largest + first_block * self.checkpoint_first_block + copied) * read
        style = (tapped + 3 * each * largest) * self._largest(style_size)[1]
        return math.ceil(max(gradient, style + matching_memory(self.size, style_size, self.config)))

    def max_cached_tiles(self, available: float) -> tuple[int, int]:
        """Return how many tiles of a rank can save their activations in `available` bytes, and the bytes they take.

        The memory of one tile is part of `memory`. Unless all other tiles fit as well, the tiles that are computed
        again need it.
        """
        tiles = -(-self._tiles[0] // self.world_size)
        each = math.ceil(self._saved_memory)
        room = tiles - 1 if available >= (tiles - 1) * each else int(available // each)
        return (tiles if room == tiles - 1 else room), room * each

    def work(self, cached: int) -> float:
        """Return the work of an evaluation, relative to one of the whole image without tiles.

        It includes halos and the first passes that are computed again, given that each rank caches `cached` tiles. A
        forward pass takes as much work as a backward pass.
        """
        tiles, pixels_read = self._tiles
        recomputed = max(0.0, 1 - cached * self.world_size / tiles)
        recomputed += self.checkpoint_first_block * FIRST_BLOCK_WORK
        return (1 + recomputed / 2) * pixels_read / math.prod(self.size)

    @cached_property
    def _tiles(self) -> tuple[int, int]:
        """The number of tiles, and the pixels that all of them read, with halos."""
        tiles = self._tiling.tiles(self.size)
        return len(tiles), sum(tile.pixels_read for tile in tiles)

    @cached_property
    def _saved_memory(self) -> float:
        """The estimated bytes of the saved activations of the largest tile.

        Every ReLU saves its output. In an exported module autograd also saves the outputs of pooling and the positions
        of maxima, 8 bytes each, and all gradients at the taps exist at once, as in float16. A loss that is not
        tileable, such as one of sorted projections, takes the size of the features at the taps twice, in float32.
        """
        each, _, saved, first_block, tapped = self._layers
        saved -= first_block * self.checkpoint_first_block
        owned, read = self._largest(self.size)
        at_once = bool(self.config.extractor) or self.precision == "fp16"
        return saved * read + tapped * (4 // each) * (2 * (not self.config.tileable) + at_once) * owned

    @cached_property
    def _layers(self) -> tuple[int, float, float, float, float]:
        """Bytes of a value; then per pixel: values of the largest layer, saved bytes of all layers, saved bytes before
        the first pooling, and bytes at the taps."""
        each = VALUE_BYTES[self.precision]
        taps = (*self.config.content_layers, *self.config.style_layers)
        pooled = each + 8 * (self.config.pooling == "max") if self.config.extractor else 0
        saved = first_block = largest = tapped = 0.0
        for layer in truncated(self.config.arch, taps):
            values = layer.out_channels / layer.stride**2
            largest = max(largest, values)
            here = {"conv": 0, "relu": each, "pool": pooled}[layer.kind] * values
            saved += here
            first_block += here * (layer.stride == 1)
            tapped += each * values if layer.name in taps else 0
        return each, largest, saved, first_block, tapped

    @cached_property
    def _tiling(self) -> Tiling:
        return tiling_of(self.config, self.tile_size, self.world_size, strips=self.strips)

    def _largest(self, size: "Size") -> tuple[int, int]:
        """Return the number of pixels of the largest tile without and with its halo."""
        owned, read = map(math.prod, self._tiling.largest(size))
        return owned, read


def tiling_of(config: "TransferConfig", tile_size: int, world_size: int, *, strips: bool) -> Tiling:
    """Return the tiling with that tile side (or strip height), 0 for no limit, shared by `world_size` ranks."""
    taps = (*config.content_layers, *config.style_layers)
    return Tiling.of(config.arch, taps, tile_size or UNLIMITED, world_size, strips=strips)


def state_memory(size: "Size", config: "TransferConfig", history: int) -> int:
    """Return the estimated bytes of the state of the optimiser, of the content features and of position targets."""
    images = 3 * (2 * history + 12 if config.optimizer == "lbfgs" else 12)
    features = _feature_values(config, config.content_layers)
    if style_loss_spec(config.style_loss).position_targets:
        features += _feature_values(config, config.style_layers)
    return math.ceil(4 * (images + features) * math.prod(size))


def _feature_values(config: "TransferConfig", layers: Sequence[str]) -> float:
    """Return the number of values of the features at these layers, for each pixel of the image."""
    table = truncated(config.arch, layers)
    return sum(layer.out_channels / layer.stride**2 for layer in table if layer.name in layers)
