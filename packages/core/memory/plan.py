"""Plan how an image of one size is evaluated within the available memory. Without PyTorch."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any, Self

from core.byte_sizes import format_size
from core.errors import StyleTransferError
from core.memory.cost_model import RUNTIME_MEMORY, ExecutionStrategy, state_memory, tiling_of
from core.memory.tiling import Tiling

if TYPE_CHECKING:
    from core.arrays import Size
    from core.config.transfer_config import TransferConfig

PLANNED_SHARE = 0.9
"""The share of the available memory that plans may use; the rest covers inexact estimates and fragmentation."""

TILE_SIDES = (4096, 3072, 2048, 1536, 1024, 768, 512, 384, 256, 192, 128)
"""Tile sides to choose from, in pixels. With few sides, a little more or less free memory seldom changes the plan; with
smaller sides most of the work would be halos."""

HISTORY_PENALTY = (1.0, 1.01, 1.04, 1.12, 1.15)
"""Relative number of evaluations to convergence after halving the history 0, 1, 2, … times (measured)."""


@dataclass(frozen=True)
class Memory:
    """Bytes that plans may use, of the host, and of the device if it has memory of its own; math.inf for no limit."""

    host: float
    device: float | None = None

    @classmethod
    def of(cls, config: "TransferConfig", host: float, device: float | None = None) -> Self:
        """Return `PLANNED_SHARE` of the bytes; `config.max_memory`, if set, replaces those where the network runs."""
        available = config.max_memory or (host if device is None else device)
        if device is None:
            return cls(PLANNED_SHARE * available)
        return cls(PLANNED_SHARE * host, PLANNED_SHARE * available)


@dataclass(frozen=True)
class Plan:
    """How images of one size are evaluated and optimised.

    Attributes:
        size: Width and height of the image.
        tile_size: Largest side of a tile, or largest height of a strip; 0 for no limit: the whole image, or its equal
            division among several ranks.
        history: Number of curvature pairs of L-BFGS.
        memory: Estimated bytes where the network runs.
        host_memory: Estimated bytes on the host, if the device has room for tiles but not for the state of the
            optimiser; else 0.
        insufficient_memory: Why no plan fits; None if this one fits.
        tileable: Whether the style loss can be evaluated in tiles.
        world_size: Number of ranks that share the tiles.
        cached_tiles: Tiles of each rank whose activations are saved for the backward pass.
        work: Work of an evaluation relative to one of the whole image without tiles.
        retain_freed: Whether to keep freed memory in the process for the next evaluation; true if as much memory as the
            network takes remains free.
        checkpoint_first_block: Recompute the layers before the first pooling (activation checkpointing).
        strips: Whether tiles are as wide as the image.
    """

    size: "Size"
    tile_size: int
    history: int
    memory: int
    host_memory: int = 0
    insufficient_memory: str | None = None
    tileable: bool = True
    world_size: int = 1
    cached_tiles: int = 0
    work: float = 1.0
    retain_freed: bool = False
    checkpoint_first_block: bool = False
    strips: bool = False

    def check_fits(self) -> Self:
        """Return the plan.

        Raises:
            StyleTransferError: The available memory is too small for it.
        """
        if self.insufficient_memory:
            raise StyleTransferError(f"{self.insufficient_memory}: reduce --image-size or raise --max-memory")
        return self

    @property
    def on_host(self) -> bool:
        """Whether the state of the optimiser is stored on the host while the network runs on a device."""
        return self.host_memory > 0

    def state_device(self, network_device: str) -> str:
        """Return the device that stores images and the state of the optimiser, given that of the network."""
        return "cpu" if self.on_host else network_device

    @property
    def tiled(self) -> bool:
        """Whether the image is divided."""
        return self.tile_size > 0 or self.world_size > 1

    def tiling(self, config: "TransferConfig") -> Tiling:
        """Return the tiling; an image that is not divided is one tile."""
        return tiling_of(config, self.tile_size, self.world_size, strips=self.strips)

    def to_dict(self) -> dict[str, Any]:
        """Return what influences the result, as JSON-ready values."""
        names = ("size", "tile_size", "strips", "history", "on_host")
        return {name: getattr(self, name) for name in names}

    def with_smaller_tiles(self) -> Self | None:
        """Return a plan with tiles of half the side, or None if they would be too small or cannot be used.

        With several ranks they cannot be used: the other ranks would keep their tiles.
        """
        side = (self.tile_size or max(self.size)) // 2
        possible = self.tileable and self.world_size == 1 and side >= TILE_SIDES[-1]
        return replace(self, tile_size=side, cached_tiles=0, retain_freed=False, strips=False) if possible else None


def plan_memory(
    size: "Size",
    style_size: "Size",
    config: "TransferConfig",
    memory: Memory,
    precision: str = "fp32",
    world_size: int = 1,
) -> Plan:
    """Return the plan that fits with the least work per evaluation times `relative_evaluations`.

    Candidates are the whole image and tiles, each with the full or a shorter history. On a device with memory of its
    own, the full history on the device is tried first; only if nothing fits, the state of the optimiser moves to the
    host, and the history may be shorter. If nothing fits then, the result is the plan that takes the least memory, with
    `insufficient_memory` set.

    Args:
        size: Width and height of the image.
        style_size: Width and height of the largest style image.
        config: Layers, history, tile size.
        memory: The available bytes, of each rank.
        precision: The precision of the network.
        world_size: Number of ranks that share the tiles.
    """
    available = memory.host if memory.device is None else memory.device
    # Only the fused network supports activation checkpointing. bfloat16 implies it; with another precision the network
    # may be an exported module or, on MPS, the eager one.
    checkpointing = (False, True) if precision == "bf16" else (False,)
    strategies = [
        ExecutionStrategy(size, config, side, precision, world_size, checkpoint, strips)
        for (side, strips), checkpoint in product(_tile_choices(size, config, world_size), checkpointing)
    ]
    networks = [(strategy, strategy.memory(style_size)) for strategy in strategies]
    for states in _state_choices(config, memory):
        plans: list[Plan] = []
        for (history, on_host), (strategy, network) in product(states, networks):
            state = state_memory(size, config, history)
            host = RUNTIME_MEMORY + state if on_host else 0
            needed = RUNTIME_MEMORY + network + (0 if on_host else state)
            if needed <= available and host <= memory.host:
                cached, taken = strategy.max_cached_tiles(available - needed)
                plans.append(
                    Plan(
                        size,
                        strategy.tile_size,
                        history,
                        needed + taken,
                        host,
                        tileable=config.tileable,
                        world_size=world_size,
                        cached_tiles=cached,
                        work=strategy.work(cached),
                        retain_freed=needed + taken + network + taken <= available,
                        checkpoint_first_block=strategy.checkpoint_first_block,
                        strips=strategy.strips,
                    )
                )
        if plans:
            return min(plans, key=lambda plan: plan.work * relative_evaluations(plan.history, config.history))
    needed, limit = (needed, available) if needed > available else (host, memory.host)
    padding = " with padding" if config.padding else ""
    insufficient = (
        f"{size[0]}x{size[1]} px{padding} needs at least {format_size(needed)} of memory, but only "
        f"{format_size(limit)} is available"
    )
    return Plan(size, strategy.tile_size, history, needed, host, insufficient, config.tileable, world_size)


def estimate_memory(size: "Size", config: "TransferConfig") -> int:
    """Return the estimated bytes to evaluate a whole image of this size, with a style image of the same size."""
    return plan_memory(size, size, config.with_options(max_memory=0, tile_size=0), Memory(math.inf)).memory


def relative_evaluations(history: int, wanted: int) -> float:
    """Return the number of evaluations with this history, relative to the number with the `wanted` one."""
    halvings = round(math.log2(wanted / history))
    return HISTORY_PENALTY[min(halvings, len(HISTORY_PENALTY) - 1)]


def _tile_choices(size: "Size", config: "TransferConfig", world_size: int) -> list[tuple[int, bool]]:
    """Return the tile sizes to choose from, each with whether the tiles are strips.

    The order matters: `plan_memory` takes the first of several plans with equal work. Strips precede square tiles
    because their features need not be copied.
    """
    if config.tile_size:
        return [(config.tile_size, False)]
    smaller = [side for side in TILE_SIDES if side < max(size) and config.tileable]
    strips = [side for side in smaller if side < size[1] and world_size == 1]
    return [(0, False), *((side, True) for side in strips), *((side, False) for side in smaller)]


def _state_choices(config: "TransferConfig", memory: Memory) -> Iterator[list[tuple[int, bool]]]:
    """Yield lists of (history, on host) to choose from; each is used only if nothing in the previous one fits."""
    histories = [config.history]
    while config.optimizer == "lbfgs" and histories[-1] > 1:
        histories.append(histories[-1] // 2)
    if memory.device is not None:
        yield [(config.history, False)]
    yield [(history, memory.device is not None) for history in histories]
