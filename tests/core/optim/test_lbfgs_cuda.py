"""Synchronisation-free L-BFGS takes the steps of `core.optim.lbfgs` and never reads a value of the device."""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx

from core.arrays import Array, Pixels, size_of
from core.backends import loaded_network, torch_backend
from core.backends.torch_backend import TorchBackend, TorchObjective
from core.config.style_losses import STYLE_LOSSES
from core.config.transfer_config import TransferConfig
from core.errors import StyleTransferError
from core.image.reading import read_image
from core.image.resize import resize
from core.memory.plan import Memory
from core.network.weights import load_weights
from core.objective.style_cache import StyleStatisticsCache
from core.optim import lbfgs_cuda
from core.optim.lbfgs import lbfgs
from core.optim.lbfgs_cuda import LBFGSState
from core.optim.types import Evaluation, Objective, Step
from core.style_transfer import stylize
from core.styles import StyleExemplar
from support.images import EXAMPLES

SHAPE = (1, 3, 4, 5)
GRAY_SHAPE = (1, 1, 6, 9)


def quadratic(seed: int = 0, shape: tuple[int, ...] = SHAPE) -> Callable[[Tensor], Evaluation]:
    """Ill-conditioned and coupled, its unbounded minimum partly outside [0, 1]; the loss is a 0-d tensor."""
    rng, size = np.random.default_rng(seed), int(np.prod(shape))
    basis = np.linalg.qr(rng.normal(size=(size, size)))[0]
    matrix = torch.from_numpy(basis @ np.diag(np.geomspace(1, 1000, size)) @ basis.T)
    center = torch.from_numpy(rng.uniform(-0.5, 1.5, size))

    def objective(image: Tensor) -> Evaluation:
        residual = image.flatten() - center
        gradient = matrix @ residual
        loss = residual @ gradient / 2
        return Evaluation(loss, gradient.view(image.shape), {"half": loss / 2, "rest": loss / 2})

    return objective


def quadratic_with_nan(image: Tensor) -> Evaluation:
    """Not finite where a value exceeds 0.9, so that steps are rejected."""
    whole = quadratic()(image)
    nan = torch.where(image.max() < 0.9, 0.0, torch.nan)
    return Evaluation(whole.loss + nan, whole.gradient + nan, whole.parts)


def gray_quadratic(image: Tensor) -> Evaluation:
    return quadratic(1, GRAY_SHAPE)(image)


def quadratic_with_wrong_gradient(image: Tensor) -> Evaluation:
    """The sign of the gradient is wrong below some loss: the history is cleared there, and then the iteration ends."""
    here, start = quadratic()(image), quadratic()(torch.full_like(image, 0.3))
    return Evaluation(here.loss, torch.where(here.loss > 0.3 * start.loss, 1, -1) * here.gradient, here.parts)


def with_floats(objective: Callable[[Tensor], Evaluation]) -> Callable[[Tensor], Evaluation]:
    def evaluate(image: Tensor) -> Evaluation:
        found = objective(image)
        parts = {name: float(part) for name, part in found.parts.items()}
        return Evaluation(float(found.loss), found.gradient, parts)

    return evaluate


@pytest.mark.parametrize("objective", [quadratic(), quadratic_with_nan, gray_quadratic, quadratic_with_wrong_gradient])
@pytest.mark.parametrize("history", [1, 4, 20])
def test_lbfgs_cuda_takes_the_steps_of_lbfgs(
    objective: Callable, history: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lbfgs_cuda, "PIXELS_PER_CHUNK", 7)
    start = torch.full(GRAY_SHAPE if objective is gray_quadratic else SHAPE, 0.3, dtype=torch.float64)
    expected = list(lbfgs(with_floats(objective), start, evaluations=25, history=history))
    found = list(lbfgs_cuda.lbfgs(objective, start, evaluations=25, history=history))
    assert len(found) > 2
    for step, expected_step in zip(found, expected, strict=True):
        assert step.evaluations == expected_step.evaluations
        assert step.loss == pytest.approx(expected_step.loss, rel=1e-6)
        assert step.parts == pytest.approx(expected_step.parts, rel=1e-6)
        torch.testing.assert_close(step.image, expected_step.image, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("queued_evaluations", [0, 1, 7, 100])
def test_every_step_has_its_own_image_however_many_evaluations_are_queued(queued_evaluations: int) -> None:
    objective, start = quadratic(), torch.full(SHAPE, 0.3, dtype=torch.float64)
    steps = list(lbfgs_cuda.lbfgs(objective, start, evaluations=30, queued_evaluations=queued_evaluations))
    assert steps[-1].evaluations == 30
    for step in steps:
        assert float(objective(step.image).loss) == pytest.approx(step.loss)


def test_lbfgs_cuda_ends_at_the_minimum_before_the_budget_is_used() -> None:
    images = []

    def objective(image: Tensor) -> Evaluation:
        images.append(image)
        return Evaluation(((image - 0.7) ** 2).sum(), 2 * (image - 0.7), {})

    steps = list(lbfgs_cuda.lbfgs(objective, torch.full(SHAPE, 0.2, dtype=torch.float64), evaluations=10_000))
    assert steps[-1].loss < 1e-20
    assert len(images) < 100


def test_lbfgs_cuda_raises_for_a_start_whose_loss_is_not_finite() -> None:
    def objective(image: Tensor) -> Evaluation:
        return Evaluation(image.sum() * torch.nan, image, {})

    with pytest.raises(StyleTransferError, match=r"not finite \(loss nan\)"):
        next(lbfgs_cuda.lbfgs(objective, torch.ones(SHAPE), evaluations=5))


def test_lbfgs_cuda_logs_once_that_it_is_experimental(caplog: pytest.LogCaptureFixture) -> None:
    lbfgs_cuda.warn_experimental.cache_clear()
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            next(lbfgs_cuda.lbfgs(quadratic(), torch.full(SHAPE, 0.3, dtype=torch.float64), evaluations=2))
    assert [record.message for record in caplog.records if "not yet run on a GPU" in record.message] == [
        "core.optim.lbfgs_cuda is experimental: not yet run on a GPU"
    ]


def traced_advance(state: LBFGSState) -> Callable[[], None]:
    """Trace `state.advance` as operations on its tensors; an operation that reads a value on the host cannot be traced.

    Replaying the trace is equivalent to replaying a CUDA graph: decisions of the host would be constants in it.
    """
    names = [name for name, value in vars(state).items() if isinstance(value, Tensor)]
    tensors = [getattr(state, name) for name in names]

    def advance(*traced: Tensor) -> None:
        for name, tensor in zip(names, traced, strict=True):
            setattr(state, name, tensor)
        state.advance()

    graph = make_fx(advance)(*(tensor.clone() for tensor in tensors))
    for name, tensor in zip(names, tensors, strict=True):
        setattr(state, name, tensor)
    return lambda: graph(*tensors)


@pytest.mark.parametrize("objective", [quadratic(), quadratic_with_nan, quadratic_with_wrong_gradient])
def test_a_traced_evaluation_can_be_replayed(objective: Callable) -> None:
    start = torch.full(SHAPE, 0.3, dtype=torch.float64)
    eager, traced = (LBFGSState(objective, start, 4) for _ in range(2))
    replay = traced_advance(traced)
    for _ in range(40):
        eager.advance()
        replay()
        assert torch.equal(eager.image, traced.image)
        assert torch.equal(eager.numbers, traced.numbers)
    assert eager.evaluations == traced.evaluations == 41


def content_and_style(width: int, height: int) -> tuple[Pixels, Pixels]:
    content, style = (
        resize(read_image(EXAMPLES / kind / name, name=kind).pixels, (width, height))
        for kind, name in (("content", "coffee.jpg"), ("style", "night.jpg"))
    )
    return content, style


def objective_of(backend: TorchBackend, content: Pixels, style: Pixels, *, deferred: bool) -> TorchObjective:
    plan = backend.plan(size_of(content), size_of(style))
    return replace(backend.objective(content, [StyleExemplar((style,))], plan), deferred=deferred)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_objective_can_be_traced_with_the_optimizer(tiny_vgg: None, precision: str) -> None:
    content, style = content_and_style(48, 40)
    backend = TorchBackend(TransferConfig(device="cpu", precision=precision, tv_weight=10))
    objective = objective_of(backend, content, style, deferred=True)
    eager, traced = (LBFGSState(objective, torch.from_numpy(content), 5) for _ in range(2))
    replay, before = traced_advance(traced), eager.numbers.clone()
    for _ in range(8):
        eager.advance()
        replay()
    assert eager.numbers[0] < before[0] / 2
    torch.testing.assert_close(traced.numbers, eager.numbers)


@pytest.mark.parametrize("options", [{}, {"preserve_color": "luminance"}, {"strength": 0.5}], ids=str)
def test_a_run_with_lbfgs_cuda_delivers_the_loss_of_a_run_with_lbfgs(
    tiny_vgg: None, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = TransferConfig(
        device="cpu", precision="fp32", image_size=96, iterations=10, scales=2, min_scale_size=48, **options
    )
    content, style = (pixels[0].transpose(1, 2, 0) for pixels in content_and_style(96, 64))
    expected = stylize(content, style, config)

    def minimize(
        objective: Objective, start: Array, *, evaluations: int, config: TransferConfig, history: int
    ) -> Iterator[Step]:
        return lbfgs_cuda.lbfgs(objective, start, evaluations=evaluations, history=history)

    monkeypatch.setattr(torch_backend, "minimize", minimize)
    found = stylize(content, style, config)
    assert [entry["evaluations"] for entry in found.losses] == [entry["evaluations"] for entry in expected.losses]
    assert found.record["delivered"] == pytest.approx(expected.record["delivered"], rel=1e-2)


@pytest.mark.parametrize(
    ("device", "resumable", "options", "expected"),
    [
        ("cuda", False, {}, "lbfgs_cuda"),
        ("cuda", True, {}, "lbfgs"),  # its steps have no arrays to resume from
        ("cpu", False, {}, "lbfgs"),
        ("cuda", False, {"optimizer": "adam"}, "adam"),
        ("cuda", False, {"tile_size": 64}, "lbfgs"),  # an evaluation in tiles takes longer than the synchronisation
    ],
)
def test_backend_uses_lbfgs_cuda_only_for_short_evaluations_on_cuda(
    tiny_vgg: None,
    device: str,
    resumable: bool,
    options: Mapping[str, Any],
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = TransferConfig(device="cpu", **{"tile_size": 0, **options})
    backend = TorchBackend(config)
    (content, style), size = content_and_style(128, 96), (128, 96)
    plan, objective = backend.plan(size, size), objective_of(backend, content, style, deferred=False)
    backend.network = replace(backend.network, device=torch.device(device))
    used = []
    monkeypatch.setattr(lbfgs_cuda, "lbfgs", lambda *_, **__: used.append("lbfgs_cuda"))
    monkeypatch.setattr(torch_backend, "minimize", lambda *_, config, **__: used.append(config.optimizer))
    backend.minimize(objective, lambda same: same, content, evaluations=2, plan=plan, resumable=resumable)
    assert used == [expected]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a real CUDA device")
@pytest.mark.filterwarnings("ignore:Accessing the data pointer")
@pytest.mark.parametrize("style_loss", [name for name, spec in STYLE_LOSSES.items() if spec.sync_free])
@pytest.mark.parametrize("precision", ["auto", "fp32", "tf32", "fp16"])
def test_on_cuda_no_value_is_read_and_no_devices_are_mixed(
    tiny_vgg: None, precision: str, style_loss: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With fake tensors, which have a device and a shape but no values: to read a value or mix devices is an error."""
    content, style = content_and_style(64, 48)
    weights = load_weights("vgg19")
    monkeypatch.setattr(loaded_network, "load_weights", lambda *_, **__: weights)
    monkeypatch.setattr(loaded_network, "choose_device", lambda *_: torch.device("cuda"))
    monkeypatch.setattr(torch_backend, "memory_for", lambda _, config, __: Memory.of(config, 64e9, 64e9))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    monkeypatch.setattr(StyleStatisticsCache, "get", lambda _, image, mask, weights, compute: compute())
    # Autograd needs a real device; every gradient has the shape of its input.
    monkeypatch.setattr(torch.autograd, "grad", lambda _, inputs, **__: [torch.zeros_like(one) for one in inputs])
    with FakeTensorMode(allow_non_fake_inputs=True):
        backend = TorchBackend(TransferConfig(precision=precision, style_loss=style_loss, tv_weight=10))
        objective = objective_of(backend, content, style, deferred=True)
        state = LBFGSState(objective, backend.to_array(content, objective.execution.plan), 5)
        for _ in range(2):
            state.advance()
    tensors = [value for value in vars(state).values() if isinstance(value, Tensor)]
    assert len(tensors) > 10
    assert all(tensor.device.type == "cuda" for tensor in tensors)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.filterwarnings("error:CUDA graph capture failed")
def test_a_cuda_graph_takes_the_steps_of_lbfgs() -> None:
    content, style = content_and_style(96, 64)
    backend = TorchBackend(TransferConfig(device="cuda", precision="fp32"))
    objective = objective_of(backend, content, style, deferred=False)
    start = backend.to_array(content, objective.execution.plan)
    expected = list(lbfgs(objective, start, evaluations=12))
    found = list(lbfgs_cuda.lbfgs(replace(objective, deferred=True), start, evaluations=12))
    assert [step.evaluations for step in found] == [step.evaluations for step in expected]
    assert found[-1].loss == pytest.approx(expected[-1].loss, rel=1e-2)
