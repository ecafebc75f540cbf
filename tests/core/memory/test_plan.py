"""Plans fit into the available memory or say why not."""

import itertools
import math

import pytest

from core.config.transfer_config import TransferConfig
from core.errors import StyleTransferError
from core.memory.cost_model import ExecutionStrategy, state_memory
from core.memory.plan import TILE_SIDES, Memory, Plan, plan_memory, relative_evaluations
from core.memory.tiling import Tiling

GIB = 2**30
LARGE = (6000, 4000)
CONFIG = TransferConfig(precision="fp32", content_layers="relu4_2")


def plan(gib: float, size: tuple[int, int] = LARGE, device: float | None = None, **options: object) -> Plan:
    memory = Memory(gib * GIB, None if device is None else device * GIB)
    config = CONFIG.with_options(**options)
    return plan_memory(size, size, config, memory, config.precision)


def duration(found: Plan) -> float:
    """The duration of a run relative to one with unlimited memory."""
    return found.work * relative_evaluations(found.history, CONFIG.history)


def test_images_that_fit_are_not_tiled() -> None:
    for found in (plan(math.inf), plan(200), plan(1, (64, 64))):
        assert (found.tile_size, found.history, found.insufficient_memory) == (0, 20, None)


def test_less_memory_never_shortens_a_run() -> None:
    """Every plan fits as long as one can; with less memory a run takes as long or longer."""
    plans = [plan(gib) for gib in range(90, 5, -1)]
    assert (plans[0].tile_size, plans[0].history) == (0, 20)
    for gib, found in zip(range(90, 5, -1), plans, strict=True):
        assert found.memory <= gib * GIB or found.insufficient_memory
    for more, less in itertools.pairwise(plans):
        assert duration(less) >= duration(more)
        assert not (more.insufficient_memory and not less.insufficient_memory)
    assert {found.history for found in plans} >= {20, 10, 5}
    assert len({found.tile_size for found in plans}) > 4


def test_remaining_memory_caches_tiles() -> None:
    """With more memory more tiles are cached; with all of them cached, the extra work is that of the halos."""
    size, side = (2048, 2048), 512
    least = plan(math.inf, size, tile_size=side, history=1, optimizer="adam").memory
    plans = [plan(share * least / GIB, size, tile_size=side, optimizer="adam") for share in (0.36, 0.5, 0.7, 1)]
    assert [found.insufficient_memory for found in plans] == [None] * 4
    assert 0 < plans[0].cached_tiles < plans[1].cached_tiles < plans[2].cached_tiles < plans[3].cached_tiles == 16
    tiles = Tiling.of("vgg19", (*CONFIG.content_layers, *CONFIG.style_layers), side).tiles(size)
    read = sum(
        (rows.read_stop - rows.read_start) * (columns.read_stop - columns.read_start) for rows, columns, _ in tiles
    )
    for found in plans:
        assert found.work == pytest.approx((1 + (16 - found.cached_tiles) / 32) * read / 2048**2)
    assert plans[0].with_smaller_tiles().cached_tiles == 0  # type: ignore[union-attr]


def test_activation_checkpointing_is_used_where_memory_is_tight() -> None:
    """Only in bfloat16; it takes less work than to compute a whole tile again."""
    size = (4096, 4096)
    plans = [plan_memory(size, size, CONFIG, Memory(gib * GIB), "bf16") for gib in range(12, 60)]
    assert {found.checkpoint_first_block for found in plans} == {False, True}
    assert not plans[-1].checkpoint_first_block
    for more, less in itertools.pairwise(reversed(plans)):
        assert duration(less) >= duration(more)
    halves = [plan_memory(size, size, CONFIG, Memory(gib * GIB), "fp16") for gib in range(12, 60)]
    assert not any(found.checkpoint_first_block for found in halves)
    assert all(duration(bf16) <= duration(fp16) for bf16, fp16 in zip(plans, halves, strict=True))


def test_strips_are_used_where_they_fit() -> None:
    """Strips have halos on two sides only; low strips have more halo than square tiles."""
    strips, squares = plan(24, (4096, 4096), precision="bf16"), plan(8, (4096, 4096), precision="bf16")
    assert strips.strips
    assert strips.tiling(CONFIG).grid((4096, 4096)) == (1, 2)
    assert not squares.strips
    smaller = strips.with_smaller_tiles()
    assert smaller is not None
    assert not smaller.strips
    assert smaller.tiling(CONFIG).grid((4096, 4096)) == (3, 3)
    assert not plan(24, (4096, 4096), tile_size=3072, precision="bf16").strips


def test_freed_memory_is_retained_if_the_network_fits_twice() -> None:
    found = plan(math.inf, (512, 512))
    network = found.memory - state_memory((512, 512), CONFIG, 20)
    assert found.retain_freed
    assert not plan(1.2 * found.memory / GIB, (512, 512)).retain_freed
    assert plan((found.memory + network) / GIB, (512, 512)).retain_freed


def test_the_plan_that_fits_nowhere_says_what_is_needed() -> None:
    found = plan(2)
    assert (found.tile_size, found.history) == (TILE_SIDES[-1], 1)
    with pytest.raises(StyleTransferError, match=r"^6000x4000 px with padding needs at least .* reduce --image-size"):
        found.check_fits()


def test_optimiser_state_moves_to_the_host_before_the_history_shrinks() -> None:
    assert not plan(64, device=64).on_host
    found = plan(64, device=4)
    assert (found.on_host, found.history, found.insufficient_memory) == (True, 20, None)
    assert found.state_device("cuda:1") == "cpu"
    assert plan(64, device=64).state_device("cuda:1") == "cuda:1"
    assert found.memory <= 4 * GIB
    assert plan(10, device=4).history < 20
    assert "10.0 GiB" not in str(plan(2, device=4).insufficient_memory)
    assert "2.0 GiB" in str(plan(2, device=4).insufficient_memory)
    assert "0.5 GiB" in str(plan(64, device=0.5).insufficient_memory)


def test_tile_size_of_the_configuration_is_used() -> None:
    assert plan(math.inf, tile_size=300).tile_size == 300
    assert plan(8, tile_size=300).tile_size == 300
    assert plan(8, tile_size=300).history < 20


def test_a_loss_that_is_not_tileable_needs_the_whole_image() -> None:
    found = plan(8, style_loss="sliced-wasserstein")
    assert found.tile_size == 0
    assert found.insufficient_memory
    assert found.with_smaller_tiles() is None


def test_smaller_tiles_have_half_the_side_down_to_the_minimum() -> None:
    found, sides = plan(math.inf, (700, 300)), []
    while smaller := found.with_smaller_tiles():
        found = smaller
        sides.append(found.tile_size)
    assert sides == [350, 175]


def test_max_memory_replaces_the_available_memory() -> None:
    allowed = CONFIG.with_options(max_memory="3GiB")
    assert Memory.of(CONFIG, 8 * GIB).host == pytest.approx(0.9 * 8 * GIB)
    assert Memory.of(allowed, 8 * GIB) == Memory.of(CONFIG, 3 * GIB)
    assert Memory.of(allowed, 8 * GIB, 2 * GIB) == Memory.of(CONFIG, 8 * GIB, 3 * GIB)


def test_an_image_of_268_megapixels_can_be_planned() -> None:
    found = plan(220, (16384, 16384))
    assert found.insufficient_memory is None
    assert found.tile_size > 0


def test_each_curvature_pair_takes_two_images() -> None:
    more, less = (state_memory((500, 400), CONFIG, history) for history in (7, 5))
    assert more - less == 2 * 2 * 500 * 400 * 3 * 4


@pytest.mark.parametrize("gib", [1, 2, 8, 60])
def test_ranks_that_share_an_image_need_less_memory_each(gib: float) -> None:
    """Tiles are smaller and larger images fit; every rank holds the state of the optimiser, which limits the gain."""
    plans = [plan_memory((3000, 2000), (800, 600), CONFIG, Memory(gib * GIB), world_size=ranks) for ranks in (1, 2, 4)]
    assert sorted(found.insufficient_memory is None for found in plans) == [
        found.insufficient_memory is None for found in plans
    ]
    for found, ranks in zip(plans, (1, 2, 4), strict=True):
        assert found.world_size == ranks
        works = [
            ExecutionStrategy((3000, 2000), CONFIG, found.tile_size, world_size=count).memory((800, 600))
            for count in (1, 2, 4)
        ]
        assert works == sorted(works, reverse=True)
        assert found.with_smaller_tiles() is None or ranks == 1
