"""Each baseline runs the optimiser of the program that it stands for."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.time_to_quality import baselines
from bench.time_to_quality.baselines import (
    firekind_objective,
    prepare_adam,
    prepare_firekind,
    prepare_plain_lbfgs,
)
from bench.time_to_quality.evaluator import make_evaluator
from bench.time_to_quality.task import Snapshot, Task
from core.image.writing import quantize
from core.network.vgg import VGGFeatures
from core.objective.gram import gram
from support.quality_tasks import delivered, noisy_content, with_evaluations


class NetworkRecorder:
    """Replaces `Task.network`; records the layers of the last network, and the range of every input."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ranges: list[tuple[float, float]] = []
        self.layers: list[str] = []
        original = Task.network

        def network(task: Task, *extra_taps: str) -> VGGFeatures:
            built = original(task, *extra_taps)
            self.layers = list(built.layers)
            built.register_forward_pre_hook(self._record)
            return built

        monkeypatch.setattr(Task, "network", network)

    def _record(self, network: VGGFeatures, images: tuple[Tensor]) -> None:
        low, high = images[0].detach().aminmax()
        self.ranges.append((float(low), float(high)))

    def inputs_are_clamped(self) -> bool:
        return all(low >= 0 and high <= 1 for low, high in self.ranges)


@pytest.mark.parametrize("prepare", [prepare_plain_lbfgs, prepare_firekind, prepare_adam])
def test_baselines_start_from_the_content(task: Task, prepare: Callable[[Task], Iterator[Snapshot]]) -> None:
    start = next(prepare(task))
    assert start.evaluations == 0
    np.testing.assert_array_equal(quantize(start.deliver()), task.content)


def test_plain_lbfgs_takes_the_steps_of_torch_lbfgs(task: Task) -> None:
    snapshots = list(delivered(prepare_plain_lbfgs(with_evaluations(task, 21))))
    objective = task.objective(task.network())
    image = torch.tensor(task.content, requires_grad=True)
    optimizer, calls = torch.optim.LBFGS([image], lr=1.0), 0

    def closure() -> Tensor:
        nonlocal calls
        calls += 1
        evaluation = objective(image)
        image.grad = evaluation.gradient.clone()
        return torch.tensor(evaluation.loss)

    for evaluations, pixels in snapshots[1:]:
        optimizer.step(closure)
        assert evaluations == calls
        np.testing.assert_allclose(pixels, image.detach().numpy(), atol=1e-4)
    assert [evaluations for evaluations, _ in snapshots] == [0, 20, 40]  # whole steps
    assert snapshots[-1][1].min() < 0  # unconstrained


def test_plain_lbfgs_does_not_clamp_and_ends_the_network_at_the_last_tap(
    task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = NetworkRecorder(monkeypatch)
    list(prepare_plain_lbfgs(task))
    assert not recorder.inputs_are_clamped()
    assert recorder.layers[-1] == "relu5_1"


def test_firekind_clamps_in_the_closure_and_recomputes_target_grams(
    task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    targets = []

    def counted_gram(features: Tensor) -> Tensor:
        targets.append(features.shape)
        return gram(features)

    monkeypatch.setattr(baselines, "gram", counted_gram)
    recorder = NetworkRecorder(monkeypatch)
    *_, last = prepare_firekind(task)
    assert last.evaluations == 20
    assert len(targets) == 20 * 5
    assert len(recorder.ranges) == 2 + 20  # the targets, then every evaluation
    assert recorder.inputs_are_clamped()
    assert recorder.layers[-1] == "relu5_4"


def test_firekind_objective_equals_the_evaluator(task: Task) -> None:
    image, parts = noisy_content(task), make_evaluator(task)(noisy_content(task))
    evaluation = firekind_objective(task, task.network("relu5_4"))(task.tensor(image))
    assert evaluation.loss == pytest.approx(sum(parts.values()), rel=1e-5)
    assert evaluation.parts == pytest.approx(parts, rel=1e-5)


def test_adam_delivers_the_average_of_clamped_iterates(task: Task) -> None:
    snapshots = list(delivered(prepare_adam(task)))
    objective = task.objective(task.network())
    image = task.content.astype(np.float64)
    first, second, weighted = (np.zeros_like(image) for _ in range(3))
    for used in (1, 2, 3):
        gradient = objective(torch.tensor(image, dtype=torch.float32)).gradient.numpy().astype(np.float64)
        first, second = 0.9 * first + 0.1 * gradient, 0.99 * second + 0.01 * gradient**2
        step = 0.02 * (first / (1 - 0.9**used)) / (np.sqrt(second / (1 - 0.99**used)) + 1e-8)
        image = np.clip(image - step, 0, 1)
        weighted = 0.99 * weighted + 0.01 * image
        evaluations, pixels = snapshots[used]
        assert evaluations == used
        # The sign of a step is arbitrary where the gradient is nearly zero; few values are affected.
        differs = np.abs(pixels - weighted / (1 - 0.99**used)) > 1e-4
        assert differs.mean() < 1e-3
