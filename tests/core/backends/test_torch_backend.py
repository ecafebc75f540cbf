"""The PyTorch backend: objectives, plans, and where arrays are stored."""

import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from core.arrays import size_of
from core.backends import torch_backend
from core.backends.loaded_network import LoadedNetwork
from core.backends.torch_backend import TorchBackend
from core.memory import allocator
from core.memory.plan import Memory, plan_memory
from core.multiscale.parametrization import Parametrization
from core.network.vjp import FeaturesWithVJP, forward_with_vjp
from core.optim import minimize as optim_minimize
from core.style_transfer import stylize
from support.backends import WIDE, objective_of, random_pixels


def test_objectives_of_two_scales_do_not_share_results() -> None:
    """A run holds the objective of a scale until the next scale has been evaluated once."""
    backend, size = TorchBackend(WIDE), (300, 20)
    tight = replace(backend.plan(size, size), retain_freed=False)
    first = objective_of(backend, random_pixels(0), random_pixels(1), tight)
    image = torch.from_numpy(random_pixels(2))
    loss = first(image).loss
    second = objective_of(backend, random_pixels(1), random_pixels(0), tight)
    assert second(image).loss != loss
    assert first(image).loss == loss


def test_the_heap_is_trimmed_after_a_tiled_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    backend, size, trimmed = TorchBackend(WIDE), (300, 20), list[bool]()
    tight = replace(backend.plan(size, size), tile_size=150, cached_tiles=0, retain_freed=False)
    objective, image = objective_of(backend, random_pixels(0), random_pixels(1), tight), random_pixels(2)
    monkeypatch.setattr(allocator, "trim_heap", lambda: trimmed.append(True))
    objective(torch.from_numpy(image))
    assert trimmed == [True]


def test_arrays_of_any_size_are_stored_where_the_plan_says() -> None:
    """Also those of sizes without a plan, such as the factors of a parametrization."""
    backend = TorchBackend(WIDE)
    plan = backend.plan((300, 20), (300, 20))
    for on_host in (plan, replace(plan, host_memory=1)):
        assert backend.to_array(np.ones((1, 1, 1, 1), np.float32), on_host).device.type == "cpu"
    elsewhere = TorchBackend(WIDE, replace(LoadedNetwork.load(WIDE), device=torch.device("meta")))
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
    network = LoadedNetwork.load(WIDE)
    extractor = StackRecordingExtractor(network.extractor)
    content = random_pixels(0)
    backend = TorchBackend(WIDE, replace(network, extractor=extractor))
    parametrization = Parametrization(content, luminance_only=True)
    plan = replace(backend.plan(size_of(content), size_of(content)), cached_tiles=cached_tiles)
    to_array = partial(backend.to_array, plan=plan)
    objective = objective_of(backend, parametrization.content, random_pixels(1), plan)
    extractor.stacks.clear()
    parametrization.compose_with(objective, to_array)(to_array(parametrization.to_parameters(content)))
    assert len(extractor.stacks) == 2 - cached_tiles
    assert 1 < len(extractor.stacks[0]) <= 4


def test_plans_depend_on_the_size_of_the_style() -> None:
    backend = TorchBackend(WIDE)
    assert backend.plan((64, 64), (2000, 2000)).memory > backend.plan((64, 64), (64, 64)).memory


def test_tiles_change_the_result_by_rounding_only(content_path: Path, style_path: Path) -> None:
    config = WIDE.with_options(image_size=96, iterations=4)
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

    size, config = (96, 64), WIDE.with_options(tile_size=16, iterations=2)
    memory = Memory(plan_memory(size, size, config.with_options(history=1), Memory(0)).memory + 2**20)
    monkeypatch.setattr(optim_minimize, "lbfgs", recorded)
    monkeypatch.setattr(torch_backend, "memory_for", lambda *_: memory)
    stylize(content_path, style_path, config)
    assert histories == [plan_memory(size, size, config, memory).history]
    assert 0 < histories[0] < config.history
