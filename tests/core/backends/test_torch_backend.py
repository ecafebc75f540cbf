"""PyTorch's engine where memory is short: it goes on in smaller tiles, and says so."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from core.arrays import Pixels
from core.backends import torch_backend as torch_engine
from core.backends.torch_backend import TorchBackend
from core.config.transfer_config import TransferConfig
from core.errors import StyleTransferError
from core.memory.buffers import ActivationBufferPool
from core.memory.plan import Memory, plan_memory
from core.network.vjp import FeaturesWithVJP, SaveForBackward, forward_with_vjp, save_by_reference
from core.style_transfer import stylize

CONFIG = TransferConfig(
    content_layers="relu2_1", style_layers="relu1_1,relu2_1", image_size=300, scales=1, iterations=6, device="cpu"
)


def picture(seed: int, width: int = 300, height: int = 20) -> Pixels:
    return np.random.default_rng(seed).random((1, 3, height, width), np.float32)


class Cramped:
    """An extractor whose memory suffices for so many pixels, from the call of that number on."""

    def __init__(self, owner: TorchBackend, pixels: int, after: int = 0) -> None:
        self.extractor, self.pixels, self.left = owner.extractor, pixels, after
        owner.extractor = self

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


def test_targets_and_evaluations_go_on_in_smaller_tiles() -> None:
    cramped, retain_freed = TorchBackend(CONFIG), TorchBackend(CONFIG)
    Cramped(cramped, 4000)
    content, style, image = picture(0), picture(1, 100, 30), picture(2)
    found = cramped.objective(content, style)(cramped.to_array(image))
    expected = retain_freed.objective(content, style)(retain_freed.to_array(image))
    assert found.loss == pytest.approx(expected.loss, rel=1e-5)
    assert torch.linalg.norm(found.gradient - expected.gradient) < 1e-5 * torch.linalg.norm(expected.gradient)
    assert [plan["tile_size"] for plan in cramped.describe()["plans"]] == [150]
    assert [plan["tile_size"] for plan in retain_freed.describe()["plans"]] == [0]


def test_what_an_objective_keeps_is_given_up_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run holds on to the objective of a scale until it has evaluated that of the next."""
    spaces = list[ActivationBufferPool]()

    class Watched(ActivationBufferPool):
        def __init__(self) -> None:
            super().__init__()
            spaces.append(self)

    monkeypatch.setattr(torch_engine, "ActivationBufferPool", Watched)
    tight, size = TorchBackend(CONFIG), (300, 20)
    tight._plans[size] = replace(tight.plan(size, size), retain_freed=False)
    first = tight.objective(picture(0), picture(1))
    image = tight.to_array(picture(2))
    loss = first(image).loss
    assert spaces[0]._places
    second = tight.objective(picture(1), picture(0))
    assert not spaces[0]._places
    assert second(image).loss != loss
    assert first(image).loss == loss


@pytest.mark.parametrize("kept", [0, 1])
def test_what_tiles_needed_is_given_back_before_the_optimiser_goes_on(
    kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tight, size, given_back = TorchBackend(CONFIG), (300, 20), list[bool]()
    tight._plans[size] = replace(tight.plan(size, size), tile_size=150, cached_tiles=kept, retain_freed=False)
    objective, image = tight.objective(picture(0), picture(1)), tight.to_array(picture(2))
    monkeypatch.setattr(torch_engine, "trim_heap", lambda: given_back.append(True))
    objective(image)
    assert given_back == [True]
    assert bool(tight._workspace._places) == (kept > 0)


def test_a_run_goes_on_from_where_it_was() -> None:
    content, style = (picture(seed)[0].transpose(1, 2, 0) for seed in (0, 1))
    losses = []
    for after in (4, 1000):  # two calls for the targets, two evaluations
        cramped = TorchBackend(CONFIG)
        Cramped(cramped, 4000, after)
        result = stylize(content, style, CONFIG, backend=cramped)
        losses.append([step["loss"] for step in result.losses])
        assert result.losses[-1]["evaluations"] == 6
        assert result.record["engine"]["plans"][0]["tile_size"] == (150 if after == 4 else 0)
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_where_the_smallest_tiles_do_not_fit_either_it_is_told() -> None:
    cramped = TorchBackend(CONFIG)
    Cramped(cramped, 100)
    with pytest.raises(StyleTransferError, match="use a smaller --image-size"):
        cramped.objective(picture(0), picture(1))


def test_another_failure_is_not_taken_for_a_lack_of_memory() -> None:
    broken = TorchBackend(CONFIG)

    def failing(image: Tensor) -> Mapping[str, Tensor]:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    broken.extractor = failing
    with pytest.raises(RuntimeError, match="shapes"):
        broken.objective(picture(0), picture(1))


def test_tiles_that_are_asked_for_change_nothing_but_rounding(content_path: Path, style_path: Path) -> None:
    config = CONFIG.with_options(image_size=96, iterations=4)
    whole, tiled = (stylize(content_path, style_path, config.with_options(tile_size=side)) for side in (0, 32))
    assert tiled.record["engine"]["plans"] == [
        {"size": (96, 64), "tile_size": 32, "strips": False, "history": 20, "on_host": False}
    ]
    assert tiled.record["delivered"] == pytest.approx(whole.record["delivered"], rel=1e-2)


def test_a_plan_that_forgets_sooner_reaches_the_optimiser(
    content_path: Path, style_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    painting = sys.modules["core.style_transfer"]  # which is also the name of a function in core
    lbfgs, remembered = painting.lbfgs, []

    def watched(*arguments: object, history: int, **options: object) -> object:
        remembered.append(history)
        return lbfgs(*arguments, history=history, **options)

    size, config = (96, 64), CONFIG.with_options(tile_size=16, iterations=2)
    memory = Memory(plan_memory(size, size, config.with_options(history=1), Memory(0)).memory + 2**20)
    monkeypatch.setattr(painting, "lbfgs", watched)
    monkeypatch.setattr(torch_engine, "memory_for", lambda *_: memory)
    stylize(content_path, style_path, config)
    assert remembered == [plan_memory(size, size, config, memory).history]
    assert 0 < remembered[0] < config.history
