"""L-BFGS on the device takes the steps of the one on the host, and asks the host for nothing."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from core.backends.style_cache import StyleStatisticsCache
from core.objective.objective import Measures, weigh
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx

from core.arrays import Pixels
from core.backends import torch_backend as torch_engine
from core.backends.torch_backend import TorchBackend
from core.config.transfer_config import TransferConfig
from core.errors import StyleTransferError
from core.image.reading import read_image
from core.image.resize import resize
from core.memory.plan import Memory
from core.network.weights import load_weights
from core.objective.tiled import TiledObjective
from core.optim import lbfgs as optimise
from core.optim import lbfgs_cuda as resident
from core.optim.types import Evaluation, Step
from core.runs.checkpoint import Checkpoint
from core.style_transfer import stylize
from support.images import EXAMPLES

SHAPE = (1, 3, 4, 5)


def bowl(seed: int = 0, shape: tuple[int, ...] = SHAPE) -> Callable[[Tensor], Evaluation]:
    """Ill-conditioned, coupled, its free minimum partly outside the box; the numbers stay tensors."""
    rng, size = np.random.default_rng(seed), int(np.prod(shape))
    basis = np.linalg.qr(rng.normal(size=(size, size)))[0]
    matrix = torch.from_numpy(basis @ np.diag(np.geomspace(1, 1000, size)) @ basis.T)
    centre = torch.from_numpy(rng.uniform(-0.5, 1.5, size))

    def objective(image: Tensor) -> Evaluation:
        apart = image.flatten() - centre
        gradient = matrix @ apart
        loss = apart @ gradient / 2
        return Evaluation(loss, gradient.view(image.shape), {"half": loss / 2, "rest": loss / 2})

    return objective


def cliff(image: Tensor) -> Evaluation:
    """Not finite where a value is above 0.9, so that steps are taken back."""
    there = bowl()(image)
    nowhere = torch.where(image.max() < 0.9, 0.0, torch.nan)
    return Evaluation(there.loss + nowhere, there.gradient + nowhere, there.parts)


def grey(image: Tensor) -> Evaluation:
    return bowl(1, (1, 1, 6, 9))(image)


def misleading(image: Tensor) -> Evaluation:
    """Its gradient has the wrong sign from some loss down: all is forgotten there, and then it ends."""
    there, start = bowl()(image), bowl()(torch.full_like(image, 0.3))
    return Evaluation(there.loss, torch.where(there.loss > 0.3 * start.loss, 1, -1) * there.gradient, there.parts)


def read(objective: Callable[[Tensor], Evaluation]) -> Callable[[Tensor], Evaluation]:
    """The same for the optimiser on the host."""

    def evaluate(image: Tensor) -> Evaluation:
        there = objective(image)
        return Evaluation(float(there.loss), there.gradient, {name: float(part) for name, part in there.parts.items()})

    return evaluate


def assert_same_steps(found: Iterator[Step], expected: Iterator[Step]) -> None:
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.evaluations == theirs.evaluations
        assert ours.loss == pytest.approx(theirs.loss, rel=1e-6)
        assert ours.parts == pytest.approx(theirs.parts, rel=1e-6)
        torch.testing.assert_close(ours.image, theirs.image, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("objective", [bowl(), cliff, grey, misleading])
@pytest.mark.parametrize("history", [1, 4, 20])
def test_it_takes_the_steps_of_the_host(objective: Callable, history: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resident, "PIXELS_PER_CHUNK", 7)
    start = torch.full((1, 1, 6, 9) if objective is grey else SHAPE, 0.3, dtype=torch.float64)
    expected = list(optimise.lbfgs(read(objective), start, evaluations=25, history=history))
    found = list(resident.lbfgs(objective, start, evaluations=25, history=history))
    assert len(found) > 2
    assert_same_steps(iter(found), iter(expected))


@pytest.mark.parametrize("ahead", [0, 1, 7, 100])
def test_every_step_has_its_own_picture_however_late_it_comes(ahead: int) -> None:
    objective, start = bowl(), torch.full(SHAPE, 0.3, dtype=torch.float64)
    steps = list(resident.lbfgs(objective, start, evaluations=30, queued_evaluations=ahead))
    assert steps[-1].evaluations == 30
    for step in steps:
        assert float(objective(step.image).loss) == pytest.approx(step.loss)


def test_at_the_minimum_it_ends() -> None:
    asked = []

    def simple(image: Tensor) -> Evaluation:
        asked.append(image)
        return Evaluation(((image - 0.7) ** 2).sum(), 2 * (image - 0.7), {})

    steps = list(resident.lbfgs(simple, torch.full(SHAPE, 0.2, dtype=torch.float64), evaluations=10_000))
    assert steps[-1].loss < 1e-20
    assert len(asked) < 100


def test_a_start_without_a_finite_loss_is_an_error() -> None:
    with pytest.raises(StyleTransferError, match=r"not finite .loss nan"):
        next(resident.lbfgs(lambda x: Evaluation(x.sum() * torch.nan, x, {}), torch.ones(SHAPE), evaluations=5))


def recorded(search: resident.LBFGSState) -> Callable[[], None]:
    """One tick, recorded as operations on the tensors of the search: what reads a number on the way cannot be recorded.

    Replaying them is what a CUDA graph does: whatever the host would decide is decided for good.
    """
    names = [name for name, value in vars(search).items() if isinstance(value, Tensor)]
    live = [getattr(search, name) for name in names]

    def tick(*tensors: Tensor) -> None:
        for name, tensor in zip(names, tensors, strict=True):
            setattr(search, name, tensor)
        search.advance()

    graph = make_fx(tick)(*(tensor.clone() for tensor in live))
    for name, tensor in zip(names, live, strict=True):
        setattr(search, name, tensor)
    return lambda: graph(*live)


@pytest.mark.parametrize("objective", [bowl(), cliff, misleading])
def test_a_recorded_tick_can_be_replayed(objective: Callable) -> None:
    start = torch.full(SHAPE, 0.3, dtype=torch.float64)
    live, replayed = (resident.LBFGSState(objective, start, 4) for _ in range(2))
    replay = recorded(replayed)
    for _ in range(40):
        live.advance()
        replay()
        assert torch.equal(live.image, replayed.image)
        assert torch.equal(live.numbers, replayed.numbers)
    assert live.evaluations == replayed.evaluations == 41


def pictures(width: int, height: int) -> tuple[Pixels, Pixels]:
    content, style = (
        resize(read_image(EXAMPLES / kind / name, name=kind).pixels, (width, height))
        for kind, name in (("content", "coffee.jpg"), ("style", "night.jpg"))
    )
    return content, style


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_whole_objective_can_be_recorded(precision: str) -> None:
    """The network, the losses and the optimiser in one: nothing in them waits, and no shape depends on a value."""
    content, style = pictures(48, 40)
    backend = TorchBackend(TransferConfig(device="cpu", precision=precision, tv_weight=10))
    objective = backend.objective(content, style).deferred  # type: ignore[attr-defined]
    start = backend.to_array(content)
    live, replayed = (resident.LBFGSState(objective, start, 5) for _ in range(2))
    replay, before = recorded(replayed), live.numbers.clone()
    for _ in range(8):
        live.advance()
        replay()
    assert live.numbers[0] < before[0] / 2
    torch.testing.assert_close(replayed.numbers, live.numbers)


@pytest.mark.parametrize("options", [{}, {"preserve_color": "luminance"}, {"strength": 0.5}], ids=str)
def test_a_painting_by_it_is_that_of_the_host(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    config = TransferConfig(
        device="cpu", precision="fp32", image_size=96, iterations=10, scales=2, min_scale_size=48, **options
    )
    content, style = (pixels[0].transpose(1, 2, 0) for pixels in pictures(96, 64))
    expected = stylize(content, style, config)
    monkeypatch.setattr(TorchBackend, "deferred_objective", lambda backend, objective, size: objective.deferred)
    monkeypatch.setattr(optimise, "lbfgs", None)
    found = stylize(content, style, config)
    assert [entry["evaluations"] for entry in found.losses] == [entry["evaluations"] for entry in expected.losses]
    assert found.record["delivered"] == pytest.approx(expected.record["delivered"], rel=1e-2)


def test_with_a_checkpoint_the_host_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of its steps another run can go on; and a picture in tiles takes so long that waiting does not count."""
    content, style = (pixels[0].transpose(1, 2, 0) for pixels in pictures(64, 48))
    config = TransferConfig(device="cpu", image_size=64, iterations=4)
    monkeypatch.setattr(TorchBackend, "deferred_objective", lambda backend, objective, size: objective.deferred)
    monkeypatch.setattr(resident, "lbfgs", None)
    checkpoint = Checkpoint(tmp_path / "run", every=0)
    stylize(content, style, config, checkpoint=checkpoint)
    assert checkpoint.open(config, {}) is not None


def test_where_nobody_waits_nothing_is_left_there() -> None:
    backend, (content, style) = TorchBackend(TransferConfig(device="cpu")), pictures(64, 48)
    assert backend.deferred_objective(backend.objective(content, style), (64, 48)) is None


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a real CUDA device")
@pytest.mark.filterwarnings("ignore:Accessing the data pointer")
@pytest.mark.parametrize("precision", ["auto", "fp32", "tf32", "fp16"])
def test_on_cuda_nothing_is_waited_for_and_all_of_it_stays_there(
    precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By tensors that have a device and a shape but no values: reading one is an error, as is mixing devices."""
    content, style = pictures(64, 48)
    weights = load_weights("vgg19")
    monkeypatch.setattr(torch_engine, "load_weights", lambda *_, **__: weights)
    monkeypatch.setattr(torch_engine, "choose_device", lambda *_: torch.device("cuda"))
    monkeypatch.setattr(torch_engine, "memory_for", lambda _, config, __: Memory.of(config, 64e9, 64e9))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    monkeypatch.setattr(StyleStatisticsCache, "measure", lambda _, picture, terms, measure: measure(picture))
    monkeypatch.setattr(TiledObjective, "_weigh", weigh_without_autograd)
    with FakeTensorMode(allow_non_fake_inputs=True):
        backend = TorchBackend(TransferConfig(precision=precision, tv_weight=10))
        objective = backend.deferred_objective(backend.objective(content, style), (64, 48))
        assert objective is not None
        search = resident.LBFGSState(objective, backend.to_array(content), 5)
        for _ in range(2):
            search.advance()
    tensors = [value for value in vars(search).values() if isinstance(value, Tensor)]
    assert len(tensors) > 10
    assert all(tensor.device.type == "cuda" for tensor in tensors)


def weigh_without_autograd(
    objective: TiledObjective, measures: Measures, image: Tensor
) -> tuple[dict[str, Tensor], Measures, Tensor]:
    """In place of what needs a real device, autograd: everything of the right shape."""
    parts = weigh(measures, image, objective._targets.styles, objective._terms)
    return parts, {key: torch.zeros_like(value) for key, value in measures.items()}, torch.zeros_like(image)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.filterwarnings("error:CUDA graph capture failed")
def test_a_cuda_graph_takes_the_steps_of_the_host() -> None:
    content, style = pictures(96, 64)
    backend = TorchBackend(TransferConfig(device="cuda", precision="fp32"))
    objective = backend.objective(content, style)
    start = backend.to_array(content)
    expected = list(optimise.lbfgs(objective, start, evaluations=12))
    found = list(resident.lbfgs(objective.deferred, start, evaluations=12))  # type: ignore[attr-defined]
    assert [step.evaluations for step in found] == [step.evaluations for step in expected]
    assert found[-1].loss == pytest.approx(expected[-1].loss, rel=1e-2)
