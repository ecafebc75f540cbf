"""Whether a painting fits into the memory there is, and how to make it fit. Without PyTorch."""

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

SHARE_TO_PLAN_WITH = 0.9
"""Of the memory there is, how much to plan with: estimates are what they are, and small blocks leave gaps."""

TILE_SIDES = (4096, 3072, 2048, 1536, 1024, 768, 512, 384, 256, 192, 128)
"""Tiles to choose from, in pixels. Few sizes, so that a little more or less free memory seldom changes the plan; below
the last one nearly all work would go into halos."""

HISTORY_PENALTY = (1.0, 1.01, 1.04, 1.12, 1.15)
"""How many times as many evaluations it takes where the history is halved so often."""


@dataclass(frozen=True)
class Memory:
    """The bytes to plan with: of the host, and of the device if it has memory of its own. Unknown ones are infinite."""

    host: float
    device: float | None = None

    @classmethod
    def of(cls, config: "TransferConfig", host: float, device: float | None = None) -> Self:
        """Of the bytes that are there; where the network runs, those that `config` allows instead, if it does."""
        there = config.max_memory or (host if device is None else device)
        if device is None:
            return cls(SHARE_TO_PLAN_WITH * there)
        return cls(SHARE_TO_PLAN_WITH * host, SHARE_TO_PLAN_WITH * there)


@dataclass(frozen=True)
class Plan:
    """How pictures of one size are painted.

    `size` is width and height, `tile_size` the most that a side of a tile may have, 0 where the picture fits whole;
    tiles that are `strips` are as wide as the picture, whatever that is. `history` are the pairs of steps that L-BFGS
    remembers, and `processes` how many share the tiles. `memory` is about how many bytes it takes where the network
    runs, and `host_memory` beside that on the host, where the device has room for the tiles but not for the pictures.
    `insufficient_memory` says what there is too little of, if anything. Of each process `cached_tiles` have room for what their
    second pass would have to compute again; `work` is how many times as much an evaluation computes as it would for the
    picture at once. A `retain_freed` plan leaves as much memory again as the network takes, so that what it frees need not be
    given back. A `checkpoint_first_block` one computes the first layers once more rather than keep what they give.
    """

    size: "Size"
    tile_size: int
    history: int
    memory: int
    host_memory: int = 0
    insufficient_memory: str | None = None
    divisible: bool = True
    processes: int = 1
    cached_tiles: int = 0
    work: float = 1.0
    retain_freed: bool = False
    checkpoint_first_block: bool = False
    strips: bool = False

    def check_fits_memory(self) -> Self:
        """The plan itself.

        Raises:
            StyleTransferError: The memory does not suffice for it.
        """
        if self.insufficient_memory:
            raise StyleTransferError(
                f"{self.insufficient_memory}: use a smaller --image-size, or allow more by --max-memory"
            )
        return self

    @property
    def on_host(self) -> bool:
        """Whether the pictures lie on the host although the network runs on a device with memory of its own."""
        return self.host_memory > 0

    @property
    def tiled(self) -> bool:
        """Whether the picture is cut."""
        return self.tile_size > 0 or self.processes > 1

    def tiling(self, config: "TransferConfig") -> Tiling:
        """The tiles; where the picture fits whole, that is the only one."""
        return tiling_of(config, self.tile_size, self.processes, strips=self.strips)

    def to_dict(self) -> dict[str, Any]:
        """What it makes of a painting, JSON-ready."""
        names = ("size", "tile_size", "strips", "history", "on_host")
        return {name: getattr(self, name) for name in names}

    def in_smaller_tiles(self) -> Self | None:
        """The same with tiles half as large, or None where they would be too small, or there can be none.

        Nor can there be where several processes share them: the others would still have theirs.
        """
        side = (self.tile_size or max(self.size)) // 2
        possible = self.divisible and self.processes == 1 and side >= TILE_SIDES[-1]
        return replace(self, tile_size=side, cached_tiles=0, retain_freed=False, strips=False) if possible else None


def plan_memory(
    size: "Size",
    style_size: "Size",
    config: "TransferConfig",
    memory: Memory,
    precision: str = "fp32",
    processes: int = 1,
) -> Plan:
    """How to paint at `size` with the least work that fits: whole, else in tiles, or then with a shorter history.

    The optimiser's pictures move from the device to the host before the history gets shorter. Where nothing fits, the
    plan is the most frugal one. `precision` is the one that the network computes in. Several `processes` that share the
    tiles have the `memory` each.
    """
    available = memory.host if memory.device is None else memory.device
    sides = _sides(size, config, processes)
    # Only the fused network is sparing, and of the precisions this is the one that no other computes in.
    checkpointing = (False, True) if precision == "bf16" else (False,)
    for ways in _ways(config, memory):
        plans: list[Plan] = []
        for (history, on_host), (side, strips), checkpoint_first_block in product(ways, sides, checkpointing):
            state = state_memory(size, config, history)
            there = RUNTIME_MEMORY + state if on_host else 0
            way = ExecutionStrategy(size, config, side, precision, processes, checkpoint_first_block, strips)
            network = way.memory(style_size)
            here = RUNTIME_MEMORY + network + (0 if on_host else state)
            if here <= available and there <= memory.host:
                kept, taken = way.max_cached_tiles(available - here)
                plans.append(
                    Plan(
                        size,
                        side,
                        history,
                        here + taken,
                        there,
                        divisible=config.tileable,
                        processes=processes,
                        cached_tiles=kept,
                        work=way.work(kept),
                        retain_freed=here + taken + network + taken <= available,
                        checkpoint_first_block=checkpoint_first_block,
                        strips=strips,
                    )
                )
        if plans:
            return min(plans, key=lambda plan: plan.work * relative_evaluations(plan.history, config.history))
    needed, found = (here, available) if here > available else (there, memory.host)
    insufficient_memory = (
        f"{size[0]}x{size[1]} px take about {format_size(needed)} of memory at the least, and {format_size(found)} "
        "can be taken"
    )
    return Plan(size, side, history, here, there, insufficient_memory, config.tileable, processes)


def estimate_memory(size: "Size", config: "TransferConfig") -> int:
    """About how many bytes painting at this size takes, the whole picture at once, from a style of the same size."""
    return plan_memory(size, size, config.with_options(max_memory=0, tile_size=0), Memory(math.inf)).memory


def relative_evaluations(history: int, wanted: int) -> float:
    """How many times as many evaluations a run takes with this history as with the one that is `wanted`."""
    halvings = round(math.log2(wanted / history))
    return HISTORY_PENALTY[min(halvings, len(HISTORY_PENALTY) - 1)]


def _sides(size: "Size", config: "TransferConfig", processes: int) -> list[tuple[int, bool]]:
    """Tile sizes to choose from, and whether they are those of strips.

    Of those that make the same work the first one is the best. Features of strips need not be laid out anew.
    """
    if config.tile_size:
        return [(config.tile_size, False)]
    smaller = [side for side in TILE_SIDES if side < max(size) and config.tileable]
    strips = [side for side in smaller if side < size[1] and processes == 1]
    return [(0, False), *((side, True) for side in strips), *((side, False) for side in smaller)]


def _ways(config: "TransferConfig", memory: Memory) -> Iterator[list[tuple[int, bool]]]:
    """Histories to choose from, and whether the pictures lie on the host; later ones if earlier do not fit."""
    histories = [config.history]
    while config.optimizer == "lbfgs" and histories[-1] > 1:
        histories.append(histories[-1] // 2)
    if memory.device is not None:
        yield [(config.history, False)]
    yield [(history, memory.device is not None) for history in histories]
