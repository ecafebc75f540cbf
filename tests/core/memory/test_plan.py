"""The plan fits whatever memory there is, or says that it does not; its estimate is what PyTorch really keeps."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from core.config.transfer_config import TransferConfig
from core.errors import StyleTransferError
from core.memory.cost_model import UNCUT, ExecutionStrategy, state_memory
from core.memory.out_of_memory import OutOfMemoryError, raise_out_of_memory
from core.memory.plan import TILE_SIDES, Memory, Plan, plan_memory, relative_evaluations
from core.memory.tiling import Tiling
from core.network.vgg import load_vgg_features
from core.network.weights import load_weights
from core.objective.objective import ReferenceObjective, compute_targets
from core.objective.tiled import TiledFeatures, TiledObjective
from core.objective.weights import LossWeights

GIB = 2**30
LARGE = (6000, 4000)
CONFIG = TransferConfig(precision="fp32")


def plan(gib: float, size: tuple[int, int] = LARGE, device: float | None = None, **options: object) -> Plan:
    memory = Memory(gib * GIB, None if device is None else device * GIB)
    config = CONFIG.with_options(**options)
    return plan_memory(size, size, config, memory, config.precision)


def duration(found: Plan) -> float:
    """How long a run takes with a plan, relative to one with all the memory."""
    return found.work * relative_evaluations(found.history, CONFIG.history)


def test_whole_where_it_fits_or_nobody_knows() -> None:
    for found in (plan(math.inf), plan(200), plan(1, (64, 64))):
        assert (found.tile_size, found.history, found.insufficient_memory) == (0, 20, None)


def test_less_memory_never_means_more_of_anything() -> None:
    """Down to what does not fit, every plan fits; the less memory, the longer a run takes."""
    plans = [plan(gib) for gib in range(90, 5, -1)]
    assert (plans[0].tile_size, plans[0].history) == (0, 20)
    for gib, found in zip(range(90, 5, -1), plans, strict=True):
        assert found.memory <= gib * GIB or found.insufficient_memory
    for more, less in itertools.pairwise(plans):
        assert duration(less) >= duration(more)
        assert not (more.insufficient_memory and not less.insufficient_memory)
    assert {found.history for found in plans} >= {20, 10, 5}
    assert len({found.tile_size for found in plans}) > 4


def test_what_is_left_over_keeps_tiles() -> None:
    """With the memory of two more tiles two more are kept, to the last; then an evaluation reads no more than halos."""
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
    assert plans[0].in_smaller_tiles().cached_tiles == 0  # type: ignore[union-attr]


def test_where_tiles_do_not_fit_otherwise_the_first_layers_are_computed_again() -> None:
    """In bfloat16, which only the network that can do it computes in; it is less work than another pass through all."""
    size = (4096, 4096)
    plans = [plan_memory(size, size, CONFIG, Memory(gib * GIB), "bf16") for gib in range(12, 60)]
    assert {found.checkpoint_first_block for found in plans} == {False, True}
    assert not plans[-1].checkpoint_first_block
    for more, less in itertools.pairwise(reversed(plans)):
        assert duration(less) >= duration(more)
    halves = [plan_memory(size, size, CONFIG, Memory(gib * GIB), "fp16") for gib in range(12, 60)]
    assert not any(found.checkpoint_first_block for found in halves)
    assert all(duration(bf16) <= duration(fp16) for bf16, fp16 in zip(plans, halves, strict=True))


def test_strips_where_the_memory_suffices_for_them() -> None:
    """They have halos at two sides only; smaller ones would have more of them than squares."""
    strips, squares = plan(24, (4096, 4096), precision="bf16"), plan(8, (4096, 4096), precision="bf16")
    assert strips.strips
    assert strips.tiling(CONFIG).grid((4096, 4096)) == (1, 2)
    assert not squares.strips
    smaller = strips.in_smaller_tiles()
    assert smaller is not None
    assert not smaller.strips
    assert smaller.tiling(CONFIG).grid((4096, 4096)) == (3, 3)
    assert not plan(24, (4096, 4096), tile_size=3072, precision="bf16").strips


def test_a_roomy_plan_leaves_as_much_again() -> None:
    found = plan(math.inf, (512, 512))
    network = found.memory - state_memory((512, 512), CONFIG, 20)
    assert found.retain_freed
    assert not plan(1.2 * found.memory / GIB, (512, 512)).retain_freed
    assert plan((found.memory + network) / GIB, (512, 512)).retain_freed


def test_what_fits_nowhere_is_told() -> None:
    found = plan(2)
    assert (found.tile_size, found.history) == (TILE_SIDES[-1], 1)
    with pytest.raises(StyleTransferError, match=r"^6000x4000 px take about .* GiB .* use a smaller --image-size"):
        found.check_fits_memory()


def test_pictures_move_to_the_host_before_steps_are_forgotten() -> None:
    assert not plan(64, device=64).on_host
    found = plan(64, device=4)
    assert (found.on_host, found.history, found.insufficient_memory) == (True, 20, None)
    assert found.memory <= 4 * GIB
    assert plan(10, device=4).history < 20
    assert "10.0 GiB" not in str(plan(2, device=4).insufficient_memory)
    assert "2.0 GiB" in str(plan(2, device=4).insufficient_memory)
    assert "0.5 GiB" in str(plan(64, device=0.5).insufficient_memory)


def test_tiles_that_are_asked_for_are_used() -> None:
    assert plan(math.inf, tile_size=300).tile_size == 300
    assert plan(8, tile_size=300).tile_size == 300
    assert plan(8, tile_size=300).history < 20


def test_features_that_are_sorted_need_the_whole_picture() -> None:
    found = plan(8, style_loss="sliced-wasserstein")
    assert found.tile_size == 0
    assert found.insufficient_memory
    assert found.in_smaller_tiles() is None


def test_tiles_are_halved_down_to_the_smallest() -> None:
    found, sides = plan(math.inf, (700, 300)), []
    while smaller := found.in_smaller_tiles():
        found = smaller
        sides.append(found.tile_size)
    assert sides == [350, 175]


def test_what_is_allowed_wins_over_what_is_free() -> None:
    allowed = CONFIG.with_options(max_memory="3GiB")
    assert Memory.of(CONFIG, 8 * GIB).host == pytest.approx(0.9 * 8 * GIB)
    assert Memory.of(allowed, 8 * GIB) == Memory.of(CONFIG, 3 * GIB)
    assert Memory.of(allowed, 8 * GIB, 2 * GIB) == Memory.of(CONFIG, 8 * GIB, 3 * GIB)


def test_a_picture_of_268_megapixels_can_be_planned() -> None:
    found = plan(220, (16384, 16384))
    assert found.insufficient_memory is None
    assert found.tile_size > 0


def test_the_optimiser_takes_two_pictures_a_step() -> None:
    more, less = (state_memory((500, 400), CONFIG, history) for history in (7, 5))
    assert more - less == 2 * 2 * 500 * 400 * 3 * 4


@pytest.mark.parametrize("tile_size", [0, 48])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"pooling": "average"},
        {"content_layers": "relu3_1", "style_layers": "relu1_1,relu2_1"},
        {"content_layers": "conv1_2", "style_layers": "relu1_1"},
    ],
)
def test_the_network_takes_what_autograd_keeps_and_not_much_more(options: dict[str, str], tile_size: int) -> None:
    config, size = CONFIG.with_options(**options), (96, 80)
    kept = kept_for_the_gradient(config, size, tile_size)
    _, read = Tiling.of("vgg19", (*config.content_layers, *config.style_layers), tile_size or UNCUT).largest(size)
    passing = 7 * 64 * 4 * math.prod(read)  # five of the largest layer, and the taps
    assert kept < ExecutionStrategy(size, config, tile_size).memory(size) < 1.5 * kept + passing


def kept_for_the_gradient(config: TransferConfig, size: tuple[int, int], tile_size: int) -> int:
    """The most bytes that autograd holds until the gradient has passed; every storage counts once."""
    taps, terms = (*config.content_layers, *config.style_layers), LossWeights.of(config, 57.6)
    extractor = load_vgg_features(load_weights("vgg19"), taps, pooling=config.pooling)
    image = torch.rand(1, 3, size[1], size[0], generator=torch.Generator().manual_seed(0))
    targets = compute_targets(extractor, image, image, terms)
    objective: ReferenceObjective | TiledObjective = ReferenceObjective(extractor, targets, terms)
    if tile_size:
        tiles = TiledFeatures(extractor, Tiling.of("vgg19", taps, tile_size), torch.device("cpu"))
        objective = TiledObjective(tiles, targets, terms)
    held: dict[int, int] = {}
    most = 0

    def pack(tensor: Tensor) -> Tensor:
        nonlocal most
        if not isinstance(tensor, torch.nn.Parameter):
            held[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        most = max(most, sum(held.values()))
        return tensor

    def unpack(tensor: Tensor) -> Tensor:
        held.clear()  # the gradient is passing: what is kept afterwards belongs to the next tile
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        objective(image)
    return most


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 1 bytes."),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    ],
    ids=lambda error: str(error)[:20],
)
def test_every_way_of_running_out_is_one_sentence(error: Exception) -> None:
    with pytest.raises(OutOfMemoryError, match="use a smaller --image-size"), raise_out_of_memory():
        raise error


def test_other_failures_are_left_alone() -> None:
    with pytest.raises(RuntimeError, match="illegal memory access"), raise_out_of_memory():
        raise RuntimeError("CUDA error: an illegal memory access was encountered")


@pytest.mark.parametrize("gib", [1, 2, 8, 60])
def test_processes_that_share_need_less_each(gib: float) -> None:
    """Their tiles are smaller, and larger pictures fit; all keep the pictures, so that it helps only so far."""
    plans = [
        plan_memory((3000, 2000), (800, 600), CONFIG, Memory(gib * GIB), processes=processes) for processes in (1, 2, 4)
    ]
    assert sorted(found.insufficient_memory is None for found in plans) == [
        found.insufficient_memory is None for found in plans
    ]
    for found, processes in zip(plans, (1, 2, 4), strict=True):
        assert found.processes == processes
        works = [
            ExecutionStrategy((3000, 2000), CONFIG, found.tile_size, processes=count).memory((800, 600))
            for count in (1, 2, 4)
        ]
        assert works == sorted(works, reverse=True)
        assert found.in_smaller_tiles() is None or processes == 1
