"""After an allocation failure, work is repeated with smaller tiles, and its result is the same."""

import weakref
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from core.arrays import size_of
from core.backends.loaded_network import LoadedNetwork
from core.backends.planned_execution import PlannedExecution, deterministic
from core.backends.torch_backend import TorchBackend
from core.distributed import SINGLE_PROCESS
from core.errors import StyleTransferError
from core.memory.allocator import ActivationBufferPool, MemoryPolicy
from core.memory.out_of_memory import OutOfMemoryError
from core.memory.plan import Plan
from core.network.vjp import FeaturesWithVJP, SaveForBackward, forward_with_vjp, save_by_reference
from core.style_transfer import stylize
from support.backends import WIDE, objective_of, random_pixels

CPU = torch.device("cpu")
PLAN = Plan((1100, 40), tile_size=0, history=5, memory=0)


class LimitedExtractor:
    """An extractor that raises an allocation failure for images of more than `pixels`, after `after` calls."""

    def __init__(self, extractor: Callable[[Tensor], Mapping[str, Tensor]], pixels: int, after: int = 0) -> None:
        self.extractor, self.pixels, self.left = extractor, pixels, after

    def __call__(self, image: Tensor) -> Mapping[str, Tensor]:
        self._use(image)
        return self.extractor(image)

    def forward_with_vjp(
        self, image: Tensor, *, checkpoint_first_block: bool = False, save: SaveForBackward = save_by_reference
    ) -> FeaturesWithVJP:
        self._use(image)
        return forward_with_vjp(self.extractor, image, checkpoint_first_block=checkpoint_first_block, save=save)

    def _use(self, image: Tensor) -> None:
        self.left -= 1
        if self.left < 0 and image.shape[2] * image.shape[3] > self.pixels:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def limited_backend(pixels: int, after: int = 0) -> TorchBackend:
    network = LoadedNetwork.load(WIDE)
    return TorchBackend(WIDE, replace(network, extractor=LimitedExtractor(network.extractor, pixels, after)))


def execution_of(plan: Plan, device: torch.device = CPU, replaced: Callable[[Plan], None] = print) -> PlannedExecution:
    """An execution on a network that is never called."""
    network = LoadedNetwork(device, lambda image: {}, None, {}, 1.0)
    return PlannedExecution(plan, network, WIDE, SINGLE_PROCESS, ActivationBufferPool(), replaced)


def test_work_is_repeated_with_tiles_of_half_the_side_until_it_fits() -> None:
    replaced: list[Plan] = []
    execution, sides = execution_of(PLAN, replaced=replaced.append), list[int]()
    for _ in range(2):  # the second time it begins with the plan that fitted
        for attempt in execution.attempts():
            with attempt:
                sides.append(execution.plan.tile_size)
                if not 0 < execution.plan.tile_size < 300:
                    raise MemoryError
    assert sides == [0, 550, 275, 275]
    assert [plan.tile_size for plan in replaced] == [550, 275]


def test_the_smallest_tiles_and_losses_that_cannot_be_tiled_end_with_the_error() -> None:
    for plan, last in ((PLAN, 137), (replace(PLAN, tileable=False), 0)):
        execution = execution_of(plan)
        with pytest.raises(OutOfMemoryError, match="reduce --image-size"):
            for attempt in execution.attempts():
                with attempt:
                    raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        assert execution.plan.tile_size == last


@pytest.mark.parametrize(("host_memory", "expected"), [(0, "meta"), (1, "cpu")])
def test_images_are_stored_where_the_plan_says(host_memory: int, expected: str) -> None:
    execution = execution_of(replace(PLAN, host_memory=host_memory), torch.device("meta"))
    assert execution.device.type == expected


@pytest.mark.parametrize("precision", ["fp32", "tf32"])
def test_algorithms_are_deterministic_and_tf32_is_used_only_in_its_precision(precision: str) -> None:
    cudnn = torch.backends.cudnn
    before = cudnn.deterministic, cudnn.allow_tf32
    with deterministic(precision):
        assert cudnn.deterministic
        assert cudnn.allow_tf32 is (precision == "tf32")
    assert (cudnn.deterministic, cudnn.allow_tf32) == before


def test_targets_and_evaluations_continue_with_smaller_tiles() -> None:
    limited, unlimited = limited_backend(4000), TorchBackend(WIDE)
    content, style, image = random_pixels(0), random_pixels(1, 100, 30), torch.from_numpy(random_pixels(2))
    found = objective_of(limited, content, style)(image)
    expected = objective_of(unlimited, content, style)(image)
    assert found.loss == pytest.approx(expected.loss, rel=1e-5)
    assert torch.linalg.norm(found.gradient - expected.gradient) < 1e-5 * torch.linalg.norm(expected.gradient)
    assert [plan["tile_size"] for plan in limited.describe()["plans"]] == [150]
    assert [plan["tile_size"] for plan in unlimited.describe()["plans"]] == [0]


def test_the_tensors_of_a_failed_evaluation_are_free_before_the_next_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    backend, tensors, alive = limited_backend(4000), list[weakref.ref[Tensor]](), list[bool]()
    use = LimitedExtractor._use

    def recorded(extractor: LimitedExtractor, image: Tensor) -> None:
        tensors.append(weakref.ref(image))
        use(extractor, image)

    monkeypatch.setattr(LimitedExtractor, "_use", recorded)
    monkeypatch.setattr(MemoryPolicy, "after_exhaustion", lambda _: alive.append(tensors[-1]() is not None))
    objective_of(backend, random_pixels(0), random_pixels(1))
    assert alive == [False]


def test_smaller_tiles_replace_the_plan_for_style_images_of_any_size() -> None:
    backend, content, style = limited_backend(4000), random_pixels(0), random_pixels(1, 50, 60)
    objective_of(backend, content, style, backend.plan(size_of(content), (100, 30)))
    assert [plan["tile_size"] for plan in backend.describe()["plans"]] == [150]


def test_a_run_continues_after_an_allocation_failure() -> None:
    content, style = (random_pixels(seed)[0].transpose(1, 2, 0) for seed in (0, 1))
    losses = []
    for after in (4, 1000):  # two calls for the targets, two evaluations
        result = stylize(content, style, WIDE, backend=limited_backend(4000, after))
        losses.append([step["loss"] for step in result.losses])
        assert result.losses[-1]["evaluations"] == 6
        assert result.record["backend"]["plans"][0]["tile_size"] == (150 if after == 4 else 0)
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_an_allocation_failure_with_the_smallest_tiles_is_an_error() -> None:
    with pytest.raises(StyleTransferError, match="reduce --image-size"):
        objective_of(limited_backend(100), random_pixels(0), random_pixels(1))


def test_other_errors_are_raised_unchanged() -> None:
    def failing(image: Tensor) -> Mapping[str, Tensor]:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    broken = TorchBackend(WIDE, replace(LoadedNetwork.load(WIDE), extractor=failing))
    with pytest.raises(RuntimeError, match="shapes"):
        objective_of(broken, random_pixels(0), random_pixels(1))
