"""The PyTorch backend: after an allocation failure it continues with smaller tiles."""

import traceback
import weakref
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from core.arrays import Pixels, size_of
from core.backends import torch_backend
from core.backends.loaded_network import LoadedNetwork
from core.backends.torch_backend import TorchBackend
from core.config.transfer_config import TransferConfig
from core.errors import StyleTransferError
from core.memory import allocator
from core.memory.allocator import MemoryPolicy
from core.memory.plan import Memory, plan_memory
from core.multiscale.parametrization import Parametrization
from core.network.vjp import FeaturesWithVJP, SaveForBackward, forward_with_vjp, save_by_reference
from core.optim import minimize as optim_minimize
from core.style_transfer import stylize
from support.backends import objective_of

CONFIG = TransferConfig(
    content_layers="relu2_1",
    style_layers="relu1_1,relu2_1",
    image_size=300,
    scales=1,
    padding=0,
    iterations=6,
    device="cpu",
)


def random_image(seed: int, width: int = 300, height: int = 20) -> Pixels:
    return np.random.default_rng(seed).random((1, 3, height, width), np.float32)


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
    network = LoadedNetwork.load(CONFIG)
    return TorchBackend(CONFIG, replace(network, extractor=LimitedExtractor(network.extractor, pixels, after)))


def test_targets_and_evaluations_continue_with_smaller_tiles() -> None:
    limited, unlimited = limited_backend(4000), TorchBackend(CONFIG)
    content, style, image = random_image(0), random_image(1, 100, 30), torch.from_numpy(random_image(2))
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
    objective_of(backend, random_image(0), random_image(1))
    assert alive == [False]


def test_smaller_tiles_replace_the_plan_for_style_images_of_any_size() -> None:
    backend, content, style = limited_backend(4000), random_image(0), random_image(1, 50, 60)
    objective_of(backend, content, style, backend.plan(size_of(content), (100, 30)))
    assert [plan["tile_size"] for plan in backend.describe()["plans"]] == [150]


def test_objectives_of_two_scales_do_not_share_results() -> None:
    """A run holds the objective of a scale until the next scale has been evaluated once."""
    backend, size = TorchBackend(CONFIG), (300, 20)
    tight = replace(backend.plan(size, size), retain_freed=False)
    first = objective_of(backend, random_image(0), random_image(1), tight)
    image = torch.from_numpy(random_image(2))
    loss = first(image).loss
    second = objective_of(backend, random_image(1), random_image(0), tight)
    assert second(image).loss != loss
    assert first(image).loss == loss


def test_the_heap_is_trimmed_after_a_tiled_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    backend, size, trimmed = TorchBackend(CONFIG), (300, 20), list[bool]()
    tight = replace(backend.plan(size, size), tile_size=150, cached_tiles=0, retain_freed=False)
    objective, image = objective_of(backend, random_image(0), random_image(1), tight), random_image(2)
    monkeypatch.setattr(allocator, "trim_heap", lambda: trimmed.append(True))
    objective(torch.from_numpy(image))
    assert trimmed == [True]


def test_a_run_continues_after_an_allocation_failure() -> None:
    content, style = (random_image(seed)[0].transpose(1, 2, 0) for seed in (0, 1))
    losses = []
    for after in (4, 1000):  # two calls for the targets, two evaluations
        result = stylize(content, style, CONFIG, backend=limited_backend(4000, after))
        losses.append([step["loss"] for step in result.losses])
        assert result.losses[-1]["evaluations"] == 6
        assert result.record["backend"]["plans"][0]["tile_size"] == (150 if after == 4 else 0)
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_an_allocation_failure_with_the_smallest_tiles_is_an_error() -> None:
    with pytest.raises(StyleTransferError, match="reduce --image-size"):
        objective_of(limited_backend(100), random_image(0), random_image(1))


def test_other_errors_are_raised_unchanged() -> None:
    def failing(image: Tensor) -> Mapping[str, Tensor]:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    broken = TorchBackend(CONFIG, replace(LoadedNetwork.load(CONFIG), extractor=failing))
    with pytest.raises(RuntimeError, match="shapes"):
        objective_of(broken, random_image(0), random_image(1))


def test_arrays_of_any_size_are_stored_where_the_plan_says() -> None:
    """Also those of sizes without a plan, such as the factors of a parametrization."""
    backend = TorchBackend(CONFIG)
    plan = backend.plan((300, 20), (300, 20))
    for on_host in (plan, replace(plan, host_memory=1)):
        assert backend.to_array(np.ones((1, 1, 1, 1), np.float32), on_host).device.type == "cpu"
    elsewhere = TorchBackend(CONFIG, replace(LoadedNetwork.load(CONFIG), device=torch.device("meta")))
    assert elsewhere.to_array(np.ones((1, 1, 1, 1), np.float32), plan).device.type == "meta"
    assert elsewhere.to_array(np.ones((1, 1, 1, 1), np.float32), replace(plan, host_memory=1)).device.type == "cpu"


class StackRecordingExtractor:
    """An extractor that records the functions of this repository which call it, the innermost last."""

    def __init__(self, extractor: Callable[[Tensor], Mapping[str, Tensor]]) -> None:
        self.extractor = extractor
        self.stacks: list[list[str]] = []

    def __call__(self, image: Tensor) -> Mapping[str, Tensor]:
        self._record()
        return self.extractor(image)

    def forward_with_vjp(self, image: Tensor, **options: Any) -> FeaturesWithVJP:
        self._record()
        return forward_with_vjp(self.extractor, image, **options)

    def _record(self) -> None:
        frames = [frame for frame in traceback.extract_stack() if "/packages/core/" in frame.filename]
        self.stacks.append([frame.name for frame in frames if "/core/network/" not in frame.filename])


@pytest.mark.parametrize("cached_tiles", [0, 1])
def test_an_evaluation_passes_at_most_four_frames_before_the_network(cached_tiles: int) -> None:
    """With a parametrization; frames of PyTorch and of the standard library are not counted."""
    network = LoadedNetwork.load(CONFIG)
    extractor = StackRecordingExtractor(network.extractor)
    content = random_image(0)
    backend = TorchBackend(CONFIG, replace(network, extractor=extractor))
    parametrization = Parametrization(content, luminance_only=True)
    plan = replace(backend.plan(size_of(content), size_of(content)), cached_tiles=cached_tiles)
    to_array = partial(backend.to_array, plan=plan)
    objective = objective_of(backend, parametrization.content, random_image(1), plan)
    extractor.stacks.clear()
    parametrization.compose_with(objective, to_array)(to_array(parametrization.to_parameters(content)))
    assert len(extractor.stacks) == 2 - cached_tiles
    assert 1 < len(extractor.stacks[0]) <= 4


def test_plans_depend_on_the_size_of_the_style() -> None:
    backend = TorchBackend(CONFIG)
    assert backend.plan((64, 64), (2000, 2000)).memory > backend.plan((64, 64), (64, 64)).memory


def test_tiles_change_the_result_by_rounding_only(content_path: Path, style_path: Path) -> None:
    config = CONFIG.with_options(image_size=96, iterations=4)
    whole, tiled = (stylize(content_path, style_path, config.with_options(tile_size=side)) for side in (0, 32))
    assert tiled.record["backend"]["plans"] == [
        {"size": (96, 64), "tile_size": 32, "strips": False, "history": 20, "on_host": False}
    ]
    assert tiled.record["delivered"] == pytest.approx(whole.record["delivered"], rel=1e-2)


def test_the_optimiser_gets_the_history_of_the_plan(
    content_path: Path, style_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lbfgs, histories = optim_minimize.lbfgs, []

    def recorded(*arguments: object, history: int, **options: object) -> object:
        histories.append(history)
        return lbfgs(*arguments, history=history, **options)

    size, config = (96, 64), CONFIG.with_options(tile_size=16, iterations=2)
    memory = Memory(plan_memory(size, size, config.with_options(history=1), Memory(0)).memory + 2**20)
    monkeypatch.setattr(optim_minimize, "lbfgs", recorded)
    monkeypatch.setattr(torch_backend, "memory_for", lambda *_: memory)
    stylize(content_path, style_path, config)
    assert histories == [plan_memory(size, size, config, memory).history]
    assert 0 < histories[0] < config.history
